"""Model-predictive control of a whole team: LOGO's variant that plans (4.4)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.policy import TrainedPolicy
from logo_tf.agents.search import CrossEntropySearch, Plan, repeated
from logo_tf.agents.team_value import NO_VALUE, TeamValue
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import Branch, GraphPolicy, Memories, rows_first, unroll
from logo_tf.scenarios.protocol import Frame
from logo_tf.shapes import check_shapes
from logo_tf.world_model.protocol import Simulator


class TeamPlanner:
    """A team under central control (``Centralised``): plans h steps, and takes the first.

    In every row it looks for the joint actions of

    ::

        max  sum_k gamma^k r_k + gamma^h V(s_h) - beta std(r) sum_k u_k / median(u)

    with the world model's mean rewards r and its uncertainty u, as far as it predicts no
    end, and V the value of the policy (``TeamValue``). ``CrossEntropySearch`` says how, and
    what the units are. What is remembered along an episode, by the policy, its value and
    the model, is what really happened, with the joint actions that were taken.

    The paper plans with the world model, in a form that its available text leaves open.
    This one follows Argenson and Dulac-Arnold, "Model-Based Offline Planning" (MBOP), 2021,
    in its proposals from a policy and its value at the horizon; it keeps the best sequence
    where MBOP averages them, and penalises uncertainty. Hyper-parameters:
    ``PlannerConfig``.

    Attributes:
      memory_dim: M, of policy, value and model together, for each agent.
    """

    def __init__(
        self,
        model: Simulator,
        policy: GraphPolicy,
        value: TeamValue,
        config: PlannerConfig,
        gamma: float,
        reward_std: float,
    ) -> None:
        """Put the parts together; ``planner_of`` is the usual way here.

        Args:
          model: the world model.
          policy: proposes; it must draw nothing.
          value: of the policy, beyond the horizon.
          config: of the search.
          gamma: discount per step, that of the value.
          reward_std: standard deviation of one step's reward.
        """
        self._spec = spec = model.spec
        self._model = model
        self._policy = policy
        self._value = value
        self._horizon = config.horizon
        self._search = CrossEntropySearch(model, value, config, gamma, reward_std)
        self._memory_dims = (policy.memory_dim, value.memory_dim, model.memory_dim)
        self.memory_dim = sum(self._memory_dims)
        n = spec.num_agents
        self._plan = tf.function(
            self._plan_and_remember,
            input_signature=[
                tf.TensorSpec((None, n, spec.observation_dim), tf.float32),
                tf.TensorSpec((None, spec.state_dim), tf.float32),
                tf.TensorSpec((None, n, spec.legal_dim), tf.bool),
                tf.TensorSpec((None, n), tf.float32),
                tf.TensorSpec((None, n, self.memory_dim), tf.float32),
                tf.TensorSpec((None, 2), tf.int32),
            ],
            autograph=False,
        )

    def plan_on(
        self, frames: Frame, memory: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions for B teams; see ``Centralised``.

        Raises:
          LogoError: as ``plan``.
        """
        seeds = rng.integers(0, 2**31 - 1, (len(frames.state), 2), dtype=np.int32)
        plan, after = self.plan(frames, memory, seeds)
        return plan.actions[:, 0].numpy(), after.numpy()

    def plan(self, frames: Frame, memory: np.ndarray, seeds: np.ndarray) -> tuple[Plan, tf.Tensor]:
        """Plan for B teams in one graph call; each depends on its own rows alone.

        Args:
          frames: fields led by the axis B.
          memory: (B, N, M) float32, zeros as an episode begins.
          seeds: (B, 2) int32, of each team's draws.

        Returns:
          The plans, and the memory (B, N, M) once their first joint actions are taken.

        Raises:
          LogoError: shapes that are not the scenario's, or not this planner's.
        """
        spec = self._spec
        given = {
            "observations": frames.observations,
            "state": frames.state,
            "legal_actions": frames.legal_actions,
            "agent_mask": frames.agent_mask,
            "memory": memory,
            "seeds": seeds,
        }
        check_shapes(
            given,
            dict(zip(given, ("BNO", "BS", "BNL", "BN", "BNM", "BD"), strict=True)),
            N=spec.num_agents,
            O=spec.observation_dim,
            S=spec.state_dim,
            L=spec.legal_dim,
            M=self.memory_dim,
            D=2,
        )
        wanted = zip(given.values(), self._plan.input_signature, strict=True)
        return self._plan(*(tf.cast(array, one.dtype) for array, one in wanted))

    def _plan_and_remember(
        self,
        observations: tf.Tensor,
        state: tf.Tensor,
        legal_actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
        seeds: tf.Tensor,
    ) -> tuple[Plan, tf.Tensor]:
        policys, values, models = tf.split(memory, self._memory_dims, axis=-1)
        running = tf.ones(tf.shape(state)[:1])
        start = Branch(
            observations, state, legal_actions, agent_mask, Memories(policys, models), running
        )
        own = self._policys_own(start)
        plan = self._search(start._replace(memories=Memories(values, models)), own, seeds)
        _, policys = self._act(start)
        _, values = self._value.estimate(state, observations, legal_actions, values)
        models = self._model.observe(state, observations, plan.actions[:, 0], agent_mask, models)
        return plan, tf.concat([policys, values, models], axis=-1)

    def _policys_own(self, start: Branch) -> tf.Tensor:
        """(B, h, N[, A]): what the policy would do; of several members, in the first."""
        routes = self._model.routes
        _, actions = unroll(
            self._model,
            lambda t, now: self._act(now),
            repeated(start, routes),
            self._horizon,
            lambda step, predicted: step.transitions.actions,
        )
        shape = (None, self._horizon, *self._spec.action_shape)
        return tf.ensure_shape(rows_first(actions)[::routes], shape)

    def _act(self, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
        unseeded = tf.zeros(2, tf.int32)  # it draws nothing
        return self._policy.act(now.observations, now.legal_actions, now.memories.policy, unseeded)


def planner_of(policy: TrainedPolicy, model: Simulator, config: PlannerConfig) -> TeamPlanner:
    """Plan around a trained policy.

    Around an algorithm that learns no value (behaviour cloning) plans see no further than
    their horizon: V = 0.

    Raises:
      LogoError: the model is of another scenario, or the policy's artefact does not say in
        which units its values are.
    """
    policy.spec.require_fits(model.spec, "the policy", "the world model")
    if policy.rewards is None:
        raise LogoError(
            "the policy's artefact does not say how rewards were scaled, as older versions' do "
            "not; train it again to plan with it"
        )
    return TeamPlanner(
        model,
        policy.graph_policy,
        NO_VALUE if policy.value is None else policy.value,
        config,
        policy.config.gamma,
        policy.rewards.scale,
    )
