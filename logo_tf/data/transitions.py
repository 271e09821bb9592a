"""The batch that every training step eats."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from logo_tf.specs import ScenarioSpec


class Transitions(NamedTuple):
    """Transitions of a team, each field led by the axes (B,) or (B, T).

    Values are in the scenario's own units and zero where an agent's observation or
    action is padded. For continuous actions L is 0, so the structure never changes.

    Attributes:
      observations: (..., N, O) float32, what each agent saw.
      state: (..., S) float32, the global state.
      actions: (..., N) int32 or (..., N, A) float32, the joint action.
      rewards: (...) float32, the team's reward for it.
      next_observations: (..., N, O) float32.
      next_state: (..., S) float32.
      terminals: (...) float32, 1 where the scenario ended here; 0 at a time limit,
        where a value function goes on.
      legal_actions: (..., N, L) bool, what each agent could do.
      next_legal_actions: (..., N, L) bool.
      agent_mask: (..., N) float32, 1 for agents alive before the action.
      next_agent_mask: (..., N) float32, 1 for agents alive after it.
    """

    observations: Any
    state: Any
    actions: Any
    rewards: Any
    next_observations: Any
    next_state: Any
    terminals: Any
    legal_actions: Any
    next_legal_actions: Any
    agent_mask: Any
    next_agent_mask: Any


def transitions_spec(spec: ScenarioSpec) -> Transitions:
    """Return the shape and dtype of one transition, without a batch axis."""
    n = spec.num_agents
    observations = tf.TensorSpec((n, spec.observation_dim), tf.float32, "observations")
    state = tf.TensorSpec((spec.state_dim,), tf.float32, "state")
    legal = tf.TensorSpec((n, spec.legal_dim), tf.bool, "legal_actions")
    alive = tf.TensorSpec((n,), tf.float32, "agent_mask")
    return Transitions(
        observations=observations,
        state=state,
        actions=tf.TensorSpec(spec.action_shape, tf.as_dtype(spec.action_dtype), "actions"),
        rewards=tf.TensorSpec((), tf.float32, "rewards"),
        next_observations=tf.TensorSpec(observations.shape, tf.float32, "next_observations"),
        next_state=tf.TensorSpec(state.shape, tf.float32, "next_state"),
        terminals=tf.TensorSpec((), tf.float32, "terminals"),
        legal_actions=legal,
        next_legal_actions=tf.TensorSpec(legal.shape, tf.bool, "next_legal_actions"),
        agent_mask=alive,
        next_agent_mask=tf.TensorSpec(alive.shape, tf.float32, "next_agent_mask"),
    )
