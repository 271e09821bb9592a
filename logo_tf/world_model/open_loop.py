"""Open-loop prediction: the model fed with its own predictions, under logged actions."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.protocol import Prediction, WorldModel, next_agent_mask, next_legal

Graph = Callable[[Transitions, tf.Tensor], Prediction]
_graphs: weakref.WeakKeyDictionary[WorldModel, Graph] = weakref.WeakKeyDictionary()


class _Carry(NamedTuple):
    prediction: Prediction
    alive: tf.Tensor


def open_loop(
    model: WorldModel, batch: Transitions, mask: tf.Tensor | None = None, context: int = 0
) -> Prediction:
    """Predict every step of windows from the first row after the context alone.

    Logged actions tell who lives: whoever does more than nothing. So nobody is taken for
    dead while they act, as nobody was in training.

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
        alive = _acting(actions, before.legal_actions, carry.alive, model.spec)
        observations = before.observations * alive[..., None]
        prediction = model.step(before.state, observations, actions, alive, before.memory)
        legal = next_legal(prediction, model.spec)
        return _Carry(prediction, alive * next_agent_mask(legal, model.spec))

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


def open_loop_graph(model: WorldModel) -> Graph:
    """``open_loop`` after the model's own context: traced once, for any B and T, while it lives.

    Returns:
      A function of windows (B, C + T, ...) and their mask (B, C + T).
    """
    if model not in _graphs:
        itself = weakref.proxy(model)  # or the graph would keep its model, and so itself, alive

        def predict(batch: Transitions, mask: tf.Tensor) -> Prediction:
            return open_loop(itself, batch, mask, itself.context)

        windows = tf.nest.map_structure(
            lambda one: tf.TensorSpec((None, None, *one.shape), one.dtype),
            transitions_spec(model.spec),
        )
        signature = [windows, tf.TensorSpec((None, None))]
        _graphs[model] = tf.function(predict, signature, autograph=False)
    return _graphs[model]


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


def _acting(
    actions: tf.Tensor, legal: tf.Tensor, alive: tf.Tensor, spec: ScenarioSpec
) -> tf.Tensor:
    """Who lives (B, N), of those that were thought to (B, N), given what they were seen to do.

    Where only the dead may do nothing, who does nothing is dead; where the living may
    rest too (``legal`` (B, N, L) probabilities), resting tells nothing.
    """
    if not spec.discrete or spec.noop_action is None:
        return alive
    may_rest = tf.cast(legal[..., spec.noop_action] > 0.5, tf.float32)
    return tf.where(actions == spec.noop_action, alive * may_rest, 1.0)
