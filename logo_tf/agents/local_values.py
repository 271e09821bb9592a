"""What in-sample algorithms ask of an action kind: values of own actions, and a likelihood."""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.actor import TeamActor
from logo_tf.agents.local_critic import LocalCritic
from logo_tf.agents.offline_agent import AgentSetup, build_team_network
from logo_tf.agents.units import from_unit, to_unit
from logo_tf.agents.value_agent import of_actions
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec


class LocalValues(Protocol):
    """How agents' actions of one kind are valued, and how likely a policy makes them.

    All of it is along windows of experience (B, T, ...).
    """

    def build(self, setup: AgentSetup) -> network.Network:
        """Q_i, and its variables."""

    def policy(self, actor: TeamActor, experience: trajectory.Transition) -> tf.Tensor:
        """(B, T, N, A): what the actor would do, in the form that the others here take."""

    def of_actions(
        self, utilities: network.Network, outputs: tf.Tensor, actions: tf.Tensor
    ) -> tf.Tensor:
        """(..., N): Q_i of joint actions, of what ``utilities.outputs`` says, (..., N, U)."""

    def of_logged(self, utilities: network.Network, experience: trajectory.Transition) -> tf.Tensor:
        """(B, T, N): Q_i of the logged actions."""
        outputs = _unrolled(utilities, experience)
        return self.of_actions(utilities, outputs, experience.action_step.action)

    def of_logged_and_policy(
        self, utilities: network.Network, experience: trajectory.Transition, policy: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(B, T, N) each: Q_i of the logged actions, and what it expects of the policy's."""

    def log_likelihood(self, policy: tf.Tensor, experience: trajectory.Transition) -> tf.Tensor:
        """(B, T, N): log pi(a^i | o^i) of the logged actions, constants left out."""


class Choices(LocalValues):
    """One of A legal actions: Q_i of all at once; a policy is the log chances of each."""

    def build(self, setup: AgentSetup) -> network.Network:
        """A value for every action."""
        return build_team_network(setup, setup.spec.action_dim, "utilities")

    def policy(self, actor: TeamActor, experience: trajectory.Transition) -> tf.Tensor:
        """The log of pi(. | o^i), its chances shared among legal actions only."""
        legal = experience.time_step.observation["legal_actions"]
        return tf.nn.log_softmax(actor.mask(_unrolled(actor, experience), legal))

    def of_actions(
        self, utilities: network.Network, outputs: tf.Tensor, actions: tf.Tensor
    ) -> tf.Tensor:
        """Of all values those of the actions."""
        del utilities
        return of_actions(outputs, actions)

    def of_logged_and_policy(
        self, utilities: network.Network, experience: trajectory.Transition, policy: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Q_i(o^i, a^i) and sum_b pi(b | o^i) Q_i(o^i, b)."""
        values = _unrolled(utilities, experience)
        # Illegal actions have a chance of exactly 0.
        expected = tf.reduce_sum(tf.exp(policy) * values, axis=-1)
        return of_actions(values, experience.action_step.action), expected

    def log_likelihood(self, policy: tf.Tensor, experience: trajectory.Transition) -> tf.Tensor:
        """The log of pi(a^i | o^i)."""
        return of_actions(policy, experience.action_step.action)


class Vectors(LocalValues):
    """Vectors within bounds: Q_i of one at a time; a policy is the actor's own, in raw units.

    The likelihood is that of a Gaussian around it, half of the bounds' range wide in every
    dimension: -|u_pi(o^i) - u^i|^2 / 2 over the agent's own dimensions, u in units of the
    bounds. The width only scales the policy's loss.
    """

    def __init__(self, spec: ScenarioSpec) -> None:
        """Args: spec: of continuous actions."""
        self._spec = spec

    def build(self, setup: AgentSetup) -> network.Network:
        """A value for an observation and an action."""
        config = setup.config
        critic = LocalCritic(
            setup.spec,
            config.width,
            config.depth,
            derive(setup.seed, "utilities"),
            *setup.observation_scale,
            config.memory,
        )
        critic.create_variables()
        return critic

    def policy(self, actor: TeamActor, experience: trajectory.Transition) -> tf.Tensor:
        """pi(o^i)."""
        return from_unit(self._spec, tf.tanh(_unrolled(actor, experience)))

    def of_actions(
        self, utilities: network.Network, outputs: tf.Tensor, actions: tf.Tensor
    ) -> tf.Tensor:
        """What the critic makes of its features and the actions."""
        return utilities.values(outputs, actions)

    def of_logged_and_policy(
        self, utilities: network.Network, experience: trajectory.Transition, policy: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Q_i(o^i, a^i) and Q_i(o^i, pi(o^i))."""
        features = _unrolled(utilities, experience)
        logged = utilities.values(features, experience.action_step.action)
        return logged, utilities.values(features, policy)

    def log_likelihood(self, policy: tf.Tensor, experience: trajectory.Transition) -> tf.Tensor:
        """-|u_pi(o^i) - u^i|^2 / 2."""
        # Padded dimensions are 0 in both.
        apart = to_unit(self._spec, policy) - to_unit(self._spec, experience.action_step.action)
        return -0.5 * tf.reduce_sum(tf.square(apart), axis=-1)


def local_values(spec: ScenarioSpec) -> LocalValues:
    """Those of the scenario's actions."""
    if spec.discrete:
        return Choices()
    return Vectors(spec)


def _unrolled(net: network.Network, experience: trajectory.Transition) -> tf.Tensor:
    """What a network says along windows, without its memory."""
    seen = experience.time_step.observation
    outputs, _ = net.unroll(seen["observations"], experience.action_step.info["inside"])
    return outputs
