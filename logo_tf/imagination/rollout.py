"""Imagined branches: a policy acts in the world model, H steps in one graph call (4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.errors import LogoError
from logo_tf.world_model.protocol import WorldModel, next_agent_mask, next_legal

GraphPolicy = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""(observations (B, N, O), legal_actions (B, N, L) bool, seed (2,) int32) -> joint actions."""

Imagine = Callable[[Transitions, tf.Tensor], "Rollout"]


class Rollout(NamedTuple):
    """H imagined steps of B branches.

    transitions: fields lead with (H, B); valid: (H, B) float32, 1 up to and with the
    step that is predicted to end the branch; uncertainty: (H, B), Eq. 5 at each step.
    """

    transitions: Transitions
    valid: tf.Tensor
    uncertainty: tf.Tensor


class _Branch(NamedTuple):
    """Where the branches stand; ``running`` (B,) is 0 once a branch has ended."""

    observations: tf.Tensor
    state: tf.Tensor
    legal_actions: tf.Tensor
    agent_mask: tf.Tensor
    memory: tf.Tensor
    running: tf.Tensor


def make_imagine(model: WorldModel, policy: GraphPolicy, horizon: int) -> Imagine:
    """Build the function that imagines.

    Branches begin at real rows, act with the policy among legal actions only, take the
    model's mean prediction as the next row, and stop at predicted endings (probability
    above one half). Steps after that are computed but marked invalid. Time limits are
    not imagined. Predictions are clipped to the range of the training data, so a branch
    cannot run away.

    Args:
      model: the world model; its current weights are read at every call.
      policy: the policy; likewise.
      horizon: H, at least 1.

    Returns:
      A graph function (start, seed) -> ``Rollout``. ``start`` is a batch of
      ``Transitions`` (B, ...), of which the rows before the action are used; ``seed``
      (2,) int32 is split per step and handed to the policy. Equal inputs and weights
      give equal rollouts.

    Raises:
      LogoError: horizon below 1.
    """
    if horizon < 1:
        raise LogoError(f"imagination: horizon must be at least 1, got {horizon}")
    spec = model.spec
    rows = transitions_spec(spec)

    @tf.function(autograph=False)
    def imagine(start: Transitions, seed: tf.Tensor) -> Rollout:
        branch = _Branch(
            start.observations,
            start.state,
            start.legal_actions,
            start.agent_mask,
            tf.zeros((tf.shape(start.state)[0], spec.num_agents, model.memory_dim)),
            tf.ones(tf.shape(start.state)[:1]),
        )
        kept = tf.nest.map_structure(
            lambda one: tf.TensorArray(one.dtype, horizon, element_shape=(None, *one.shape)),
            Rollout(rows, tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.float32)),
        )

        def advance(t: tf.Tensor, branch: _Branch, kept: Rollout) -> tuple:
            after, step = _step(model, policy, branch, tf.random.fold_in(seed, t))
            kept = tf.nest.map_structure(lambda array, value: array.write(t, value), kept, step)
            return t + 1, after, kept

        _, _, kept = tf.while_loop(
            lambda t, *_: t < horizon, advance, (tf.constant(0), branch, kept)
        )
        return tf.nest.map_structure(lambda array: array.stack(), kept)

    return imagine


def _step(
    model: WorldModel, policy: GraphPolicy, branch: _Branch, seed: tf.Tensor
) -> tuple[_Branch, Rollout]:
    """One step of every branch."""
    spec = model.spec
    actions = tf.cast(
        policy(branch.observations, branch.legal_actions, seed), tf.as_dtype(spec.action_dtype)
    )
    predicted = model.step(
        branch.state, branch.observations, actions, branch.agent_mask, branch.memory
    )
    legal = next_legal(predicted, spec)
    alive = branch.agent_mask * next_agent_mask(legal, spec)
    observations = predicted.observations * alive[..., None]  # the dead see zeros, as in the data
    terminals = tf.cast(predicted.termination > 0.5, tf.float32)
    step = Transitions(
        observations=branch.observations,
        state=branch.state,
        actions=actions,
        rewards=predicted.reward,
        next_observations=observations,
        next_state=predicted.state,
        terminals=terminals,
        legal_actions=branch.legal_actions,
        next_legal_actions=legal,
        agent_mask=branch.agent_mask,
        next_agent_mask=alive,
    )
    running = branch.running * (1.0 - terminals)
    after = _Branch(observations, predicted.state, legal, alive, predicted.memory, running)
    return after, Rollout(step, branch.running, predicted.uncertainty)
