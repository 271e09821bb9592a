"""What imagination looks like to a report, with and without a memory."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.standardisation import standardisation
from logo_tf.evaluation.imagined import imagined_figures
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.registry import build


@pytest.fixture
def world(tiny_dataset):
    """A dataset of choices and an untrained model of it."""
    dataset = tiny_dataset("discrete")
    return dataset, build(WorldModelConfig(width=8), dataset.spec, standardisation(dataset), 0)


def _first_legal(seen: list) -> GraphPolicy:
    """A policy that counts its steps in its memory, and what it was shown of that."""

    def act(observations, legal, memory, seed):
        del observations, seed
        tf.py_function(lambda m: seen.append(m.numpy()), [memory], [])
        return tf.argmax(tf.cast(legal, tf.int32), axis=-1, output_type=tf.int32), memory + 1.0

    return GraphPolicy(act, memory_dim=1)


def test_figures_are_of_valid_steps_and_weights_have_mean_one(world):
    dataset, model = world
    config = ImaginationConfig(horizon=3, branches=4)
    policy = _first_legal([])
    found = imagined_figures(model, policy, dataset, config, 50, seed=0)
    again = imagined_figures(model, policy, dataset, config, 50, seed=0)
    assert found == again
    assert found["horizon"] == 3
    assert 17 <= found["transitions"] <= 51  # 17 branches of at most 3 steps
    assert found["valid_share"] == pytest.approx(found["transitions"] / 51)
    assert 0 < found["ess_fraction"] <= 1
    assert np.mean(found["weights"]) == pytest.approx(1, abs=1e-6)
    assert len(found["uncertainty_by_step"]) == 3


def test_memories_are_filled_by_the_rows_before_a_branch(world):
    """An empty memory where an episode begins, else one step for each row before, at most 2."""
    dataset, model = world
    shown: list = []
    config = ImaginationConfig(horizon=1)
    imagined_figures(model, _first_legal(shown), dataset, config, 60, seed=0, context=2)
    *filling, first = shown
    assert len(filling) == 2
    assert {0.0, 1.0, 2.0} == set(np.unique(first))


def test_weights_are_of_the_accumulated_uncertainty(world):
    dataset, model = world
    one, summed = (
        imagined_figures(
            model,
            _first_legal([]),
            dataset,
            ImaginationConfig(horizon=3, accumulation=accumulation),
            50,
            seed=0,
        )
        for accumulation in ("step", "sum")
    )
    assert one["uncertainty_by_step"] == summed["uncertainty_by_step"]
    assert sum(one["uncertainty"]) < sum(summed["uncertainty"])
    by_uncertainty = np.argsort(summed["uncertainty"])
    assert (np.diff(np.array(summed["weights"])[by_uncertainty]) <= 0).all()
