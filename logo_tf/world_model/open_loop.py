"""Open-loop prediction: the model fed with its own predictions, under logged actions."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions
from logo_tf.world_model.protocol import Prediction, WorldModel, next_agent_mask, next_legal


class _Carry(NamedTuple):
    prediction: Prediction
    alive: tf.Tensor


def open_loop(model: WorldModel, batch: Transitions) -> Prediction:
    """Predict every step of windows from their first row alone.

    Args:
      model: the world model.
      batch: (B, T, ...) windows; state, observations and lives of their first row and
        the actions of every row are used.

    Returns:
      A ``Prediction`` whose fields lead with (T, B); entry t predicts what row t led to.
    """

    def advance(carry: _Carry, actions: tf.Tensor) -> _Carry:
        before = carry.prediction
        prediction = model.step(before.state, before.observations, actions, carry.alive)
        alive = carry.alive * next_agent_mask(next_legal(prediction, model.spec), model.spec)
        return _Carry(prediction, alive)

    first = tf.nest.map_structure(lambda values: values[:, 0], batch)
    scalar = tf.zeros_like(first.rewards)
    start = Prediction(
        observations=first.observations,
        observations_std=tf.zeros_like(first.observations),
        state=first.state,
        state_std=tf.zeros_like(first.state),
        reward=scalar,
        reward_std=scalar,
        termination=scalar,
        legal_actions=tf.cast(first.legal_actions, tf.float32),
        uncertainty=scalar,
    )
    rank = len(batch.actions.shape)
    actions = tf.transpose(batch.actions, (1, 0, *range(2, rank)))
    return tf.scan(advance, actions, _Carry(start, first.agent_mask)).prediction
