"""QMIX: agents with a memory whose values a monotone mixer joins into the team's."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.losses import lambda_returns, masked_mean
from logo_tf.agents.offline_agent import AgentSetup, target_of
from logo_tf.agents.value_agent import ValueAgent, ValueInfo, ahead, build_mixer, mixed, of_actions


class Values(NamedTuple):
    """What the networks say along windows.

    utilities: (B, T, N, A), Q_i(o^i, .), unmasked; memory: (B, T, N, M) after each row;
    q: (B, T), Q_tot of the logged joint actions.
    """

    utilities: tf.Tensor
    memory: tf.Tensor
    q: tf.Tensor


class Conservatism(NamedTuple):
    """Scalars: gap, CQL's, before its weight; cloning, the loss of a cloned behaviour."""

    gap: tf.Tensor
    cloning: tf.Tensor


class QMIXAgent(ValueAgent):
    """Double Q-learning of a monotone team value, along windows, with TD(lambda).

    With the logged joint action a, Q' the target networks and a' the legal joint action
    that the learning ones find best in the next row::

        V_t+1 = Q'_tot(s_t+1, Q'_i(o_t+1^i, a'^i))
        G_t   = r_t + gamma d_t [ V_t+1 + lambda (G_t+1 - V_t+1) ]
        L     = mean (Q_tot(s_t, Q_i(o_t^i, a_t^i)) - G_t)^2 + cql_alpha * gap

    d is 0 where the scenario ended; the gap is what a subclass adds to hold values down.
    The policy takes the legal action of the largest Q_i.

    References: Rashid et al., "QMIX", 2018; van Hasselt et al., "Deep Reinforcement
    Learning with Double Q-learning", 2016. Unlike PyMARL's, agents are not shown their last
    action. Hyper-parameters: ``width``, ``depth``, ``memory``, ``mixer_width``,
    ``hyper_width``, ``trace``, and those of ``ValueAgent``.
    """

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of discrete actions."""
        super().__init__(setup)
        self._mixer = build_mixer(setup)
        self._target_actor, self._target_mixer = target_of(self._actor), target_of(self._mixer)

    @property
    def networks(self) -> dict[str, network.Network]:
        """The agents' values, which are the policy, and the mixer."""
        return {"actor": self._actor, "mixer": self._mixer}

    @property
    def trained(self) -> tuple[network.Network, ...]:
        """The agents' values and the mixer."""
        return self._actor, self._mixer

    @property
    def followed(self) -> tuple[tuple[network.Network, network.Network], ...]:
        """Likewise."""
        return (self._actor, self._target_actor), (self._mixer, self._target_mixer)

    def local_values(
        self, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Q_i of the greedy action."""
        utilities, memory = self._actor.outputs(observations, memory)
        legal = self._actor.mask(utilities, legal_actions)
        return of_actions(utilities, tf.argmax(legal, axis=-1, output_type=tf.int32)), memory

    def values(self, experience: trajectory.Transition) -> Values:
        """What the learning networks say of a batch of windows."""
        seen = experience.time_step.observation
        utilities, memory = self._actor.unroll(
            seen["observations"], experience.action_step.info["inside"]
        )
        chosen = of_actions(utilities, experience.action_step.action)
        return Values(utilities, memory, mixed(self._mixer, seen["state"], chosen))

    def targets(self, experience: trajectory.Transition, memory: tf.Tensor) -> tf.Tensor:
        """(B, T) G, TD(lambda)'s targets; ``memory``: of the learning agents after each row."""
        seen, after = experience.time_step.observation, experience.next_time_step.observation
        ours = ahead(self._actor, after["observations"], memory)
        legal = self._actor.mask(ours, after["legal_actions"])
        best = tf.argmax(legal, axis=-1, output_type=tf.int32)
        _, memory = self._target_actor.unroll(
            seen["observations"], experience.action_step.info["inside"]
        )
        theirs = ahead(self._target_actor, after["observations"], memory)
        return lambda_returns(
            self.rewards(experience),
            self.discounts(experience),
            mixed(self._target_mixer, after["state"], of_actions(theirs, best)),
            self.follows(experience),
            self._setup.config.trace,
        )

    def value_terms(self, experience: trajectory.Transition, weights: Any) -> ValueInfo:
        """L, and what it is made of."""
        values = self.values(experience)
        counts = self.counts(experience, weights)
        errors = values.q - tf.stop_gradient(self.targets(experience, values.memory))
        loss = masked_mean(tf.square(errors), counts)
        gap, cloning = self.conservative(experience, values, counts)
        return ValueInfo(
            critic_loss=loss + self._setup.config.cql_alpha * gap + cloning,
            td_error=masked_mean(tf.abs(errors), counts),
            q_data=masked_mean(values.q, counts),
            conservative=gap,
            actor_loss=cloning,
        )

    def conservative(
        self, experience: trajectory.Transition, values: Values, counts: tf.Tensor
    ) -> Conservatism:
        """What an offline algorithm adds to hold values down, of the rows that count (B, T)."""
        del experience, values, counts
        return Conservatism(tf.zeros(()), tf.zeros(()))
