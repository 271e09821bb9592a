"""An untrained model, starts to imagine from, and policies for the imagination tests."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import write_dataset
from logo_tf.data.transitions import Transitions
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.logo import LogoWorldModel


class World(NamedTuple):
    """What imagination needs: a model, 6 real rows to start from, a policy."""

    model: LogoWorldModel
    start: Transitions
    policy: GraphPolicy


def random_legal(
    observations: tf.Tensor, legal: tf.Tensor, memory: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Any legal action."""
    del observations
    noise = tf.random.stateless_uniform(tf.shape(legal), seed)
    return tf.argmax(tf.where(legal, noise, -1.0), axis=-1, output_type=tf.int32), memory


@pytest.fixture(scope="session", params=["continuous", "discrete"])
def world(request, tmp_path_factory, continuous_spec, discrete_spec, make_episodes) -> World:
    """A world of each kind of action."""
    spec = continuous_spec if request.param == "continuous" else discrete_spec
    folder = tmp_path_factory.mktemp("imagination") / "data"
    dataset = write_dataset(folder, spec, make_episodes(spec, 20), config={}, provenance={})
    model = LogoWorldModel(WorldModelConfig(width=8), spec, standardisation(dataset), 0)
    # So that some branches end: an untrained model gives every ending about one half.
    start = next(iter(pipeline.transitions(dataset, None, 6, seed=1)))
    mask = tf.constant(spec.action_mask)

    def random_vectors(
        observations: tf.Tensor, legal: tf.Tensor, memory: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        del legal
        shape = tf.concat([tf.shape(observations)[:2], [spec.action_dim]], axis=0)
        return tf.random.stateless_uniform(shape, seed, -1.0, 1.0) * mask, memory

    return World(model, start, GraphPolicy(random_legal if spec.discrete else random_vectors))
