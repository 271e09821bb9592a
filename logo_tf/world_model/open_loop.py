"""Open-loop prediction: the model fed with its own predictions, under logged actions."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions
from logo_tf.world_model.protocol import Prediction, WorldModel, next_agent_mask, next_legal


class _Carry(NamedTuple):
    prediction: Prediction
    alive: tf.Tensor


def open_loop(
    model: WorldModel, batch: Transitions, mask: tf.Tensor | None = None, context: int = 0
) -> Prediction:
    """Predict every step of windows from the first row after the context alone.

    Args:
      model: the world model.
      batch: (B, C + T, ...) windows; all of the C context rows, state, observations and
        lives of the row after them, and the actions of every later row are used.
      mask: (B, C + T) float32, 0 for context rows before the episode's beginning;
        None where there is no context.
      context: C, how many rows the model may remember; lost on a model without memory.

    Returns:
      A ``Prediction`` whose fields lead with (T, B); entry t predicts what row C + t led to.
    """

    def advance(carry: _Carry, actions: tf.Tensor) -> _Carry:
        before = carry.prediction
        prediction = model.step(
            before.state, before.observations, actions, carry.alive, before.memory
        )
        alive = carry.alive * next_agent_mask(next_legal(prediction, model.spec), model.spec)
        return _Carry(prediction, alive)

    first = tf.nest.map_structure(lambda values: values[:, context], batch)
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
        memory=remember(model, batch, mask, context),
    )
    rank = len(batch.actions.shape)
    actions = tf.transpose(batch.actions[:, context:], (1, 0, *range(2, rank)))
    return tf.scan(advance, actions, _Carry(start, first.agent_mask)).prediction


def remember(
    model: WorldModel, batch: Transitions, mask: tf.Tensor | None, context: int
) -> tf.Tensor:
    """What the model remembers, (B, N, M), after the first ``context`` rows of windows.

    Args: as ``open_loop``'s; rows whose mask is 0 leave nothing behind.
    """
    rows = tf.shape(batch.state)[0]
    memory = tf.zeros((rows, model.spec.num_agents, model.memory_dim))
    if not model.memory_dim or mask is None:
        return memory
    for t in range(context):
        now = tf.nest.map_structure(lambda values, t=t: values[:, t], batch)
        after = model.observe(now.state, now.observations, now.actions, now.agent_mask, memory)
        memory = tf.where(mask[:, t, None, None] > 0, after, memory)
    return memory
