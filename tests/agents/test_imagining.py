import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.imagining import Imagining
from logo_tf.agents.offline_agent import AgentSetup, build_actor
from logo_tf.agents.portions import SingleTransitions
from logo_tf.data.standardisation import standardisation
from logo_tf.errors import LogoError
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.registry import build


@pytest.fixture
def imagining(tiny_dataset, tiny_config, tmp_path):
    """``imagining(seed)``: of an untrained model and policy, all of one folder."""
    data, config = tiny_dataset("continuous"), tiny_config("macql")
    known = standardisation(data)
    model = build(WorldModelConfig(width=8), data.spec, known, 0)
    step = tf.Variable(0, dtype=tf.int64)
    actor = build_actor(AgentSetup(data.spec, config, 0, step, known))
    episodes = np.arange(data.num_episodes)
    portion = SingleTransitions(config)
    return lambda seed=0: Imagining(model, actor, data, episodes, config, seed, tmp_path, portion)


@pytest.mark.slow
def test_saves_and_restores_exactly(imagining):
    ours = imagining()
    ours.refresh(0)
    ours.refresh(1)
    ours.save(4)
    theirs = imagining()
    theirs.restore(4)
    assert theirs.metrics() == ours.metrics()
    assert theirs.figures() == ours.figures()
    assert ours.figures()["horizon"] == 2
    metrics = ours.metrics()
    size = metrics["effective_sample_size"] / metrics["ess_fraction"]  # rows that count
    assert size == pytest.approx(ours.figures()["imagined_transitions"])
    # An uncertainty sampler draws what the model is surer of than it is of what is stored.
    assert metrics["relative_uncertainty_drawn"] < metrics["relative_uncertainty_stored"]
    assert 16 <= ours.figures()["imagined_transitions"] <= 32  # two steps of 8 branches, twice
    one, other = next(iter(ours.stream(4, 3))), next(iter(theirs.stream(4, 3)))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    # Round 2 does not depend on how many rounds this process has made.
    ours.refresh(2)
    theirs.refresh(2)
    assert theirs.metrics() == ours.metrics()


def test_missing_save(imagining):
    imagining().restore(0)
    with pytest.raises(LogoError, match="imagined data of step 4 are missing"):
        imagining().restore(4)
