"""The team's policy as TF-Agents sees it, and as imagination does."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from logo_tf.agents.actor import TeamActor
from logo_tf.agents.experience import action_spec, time_step_spec
from logo_tf.agents.units import from_unit, to_unit
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.specs import ScenarioSpec


def greedy_actions(
    spec: ScenarioSpec,
    actor: TeamActor,
    observations: tf.Tensor,
    legal_actions: tf.Tensor,
    memory: Any = (),
) -> tuple[tf.Tensor, Any]:
    """The actor's own choice.

    Args:
      spec: the scenario spec.
      actor: the network.
      observations: (B, N, O).
      legal_actions: (B, N, L) bool.
      memory: (B, N, M); an actor without one hands it through.

    Returns:
      (B, N, A) float32 within the bounds, or (B, N) int32, the legal action of the
      largest logit; and the memory after it.
    """
    seen = {"observations": observations, "legal_actions": legal_actions}
    outputs, after = actor(seen, network_state=memory if actor.memory_dim else ())
    if not actor.memory_dim:
        after = memory
    actions = tf.argmax(outputs, axis=-1, output_type=tf.int32) if spec.discrete else outputs
    return actions, after


class GreedyTeamPolicy(tf_policy.TFPolicy):
    """Every agent takes its actor's choice; nothing is drawn."""

    def __init__(self, spec: ScenarioSpec, actor: TeamActor) -> None:
        """Args: spec: the scenario spec; actor: the network, whose variables it shares."""
        self._team_spec = spec
        self._actor = actor
        super().__init__(
            time_step_spec(spec),
            action_spec(spec),
            policy_state_spec=actor.state_spec,
            name="GreedyTeamPolicy",
        )

    def _variables(self) -> Any:
        return self._actor.variables

    def _distribution(self, time_step: ts.TimeStep, policy_state: Any) -> policy_step.PolicyStep:
        seen = time_step.observation
        actions, after = greedy_actions(
            self._team_spec,
            self._actor,
            seen["observations"],
            seen["legal_actions"],
            policy_state,
        )
        return policy_step.PolicyStep(tfp.distributions.Deterministic(loc=actions), after)


def graph_policy(
    spec: ScenarioSpec, actor: TeamActor, exploration: float | tf.Tensor = 0.0
) -> GraphPolicy:
    """Return the policy as a pure graph function, for imagined rollouts.

    Args:
      spec: the scenario spec.
      actor: the network; the function reads its variables when it runs.
      exploration: continuous: standard deviation of Gaussian noise, in half widths of
        each action's bounds; discrete: the chance of a uniformly drawn legal action; a
        number, or a tensor () that is known when the function runs.

    Returns:
      The policy; see ``GraphPolicy``.
    """

    def act(
        observations: tf.Tensor, legal: tf.Tensor, memory: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        actions, memory = greedy_actions(spec, actor, observations, legal, memory)
        if not tf.is_tensor(exploration) and exploration <= 0.0:
            return actions, memory
        if not spec.discrete:
            noise = tf.random.stateless_normal(tf.shape(actions), seed, stddev=exploration)
            unit = tf.clip_by_value(to_unit(spec, actions) + noise, -1.0, 1.0)
            return from_unit(spec, unit), memory
        # The largest of independent uniform draws falls on each legal action equally often.
        chosen, drawn = tf.unstack(tf.random.split(seed, 2))
        draws = tf.random.stateless_uniform(tf.shape(legal), drawn)
        explored = tf.argmax(tf.where(legal, draws, -1.0), axis=-1, output_type=tf.int32)
        explores = tf.random.stateless_uniform(tf.shape(actions), chosen) < exploration
        return tf.where(explores, explored, actions), memory

    return GraphPolicy(act, actor.memory_dim)
