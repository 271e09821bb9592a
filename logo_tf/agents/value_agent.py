"""What algorithms that learn a decomposed team value from windows have in common."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.mixer import LinearMixer, MonotonicMixer
from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent, adam, build_actor, improve
from logo_tf.agents.team_network import TeamNetwork
from logo_tf.agents.team_value import TeamValue
from logo_tf.replicas import global_gradients
from logo_tf.seeds import derive


class ValueInfo(NamedTuple):
    """Scalars of one step.

    critic_loss: what is minimised, of all networks together; td_error: mean |Q_tot - y|;
    q_data: mean Q_tot of the logged joint actions; conservative: CQL's gap, 0 where there
    is none; actor_loss: what it holds for a policy of its own, 0 where there is none.
    """

    critic_loss: tf.Tensor
    td_error: tf.Tensor
    q_data: tf.Tensor
    conservative: tf.Tensor
    actor_loss: tf.Tensor


class ValueAgent(OfflineAgent, metaclass=abc.ABCMeta):
    """One loss over windows of an episode, some networks that it trains, and their targets.

    Losses stand on rows of the episode after the first ``burn_in`` ones, which only fill
    the agents' memories. Targets move by ``tau`` a step.

    Hyper-parameters: ``window``, ``burn_in``, ``batch_size``, ``critic_learning_rate``,
    ``gradient_clip``, ``gamma``, ``tau``.
    """

    metric_names = ValueInfo._fields
    _mixer: network.Network

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of either action kind."""
        tf.Module.__init__(self, name=type(self).__name__)
        super().__init__(setup, build_actor(setup))
        self._optimizer = adam(setup.config.critic_learning_rate)

    @property
    @abc.abstractmethod
    def trained(self) -> tuple[network.Network, ...]:
        """The networks that the loss trains."""

    @property
    def team_value(self) -> TeamValue:
        """The mixer's value of what ``local_values`` says of the agents, in raw units."""

        def estimate(
            state: tf.Tensor, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            values, memory = self.local_values(observations, legal_actions, memory)
            return self.raw_value(self._mixer((state, values))[0]), memory

        return TeamValue(estimate, self.local_memory_dim)

    @property
    def local_memory_dim(self) -> int:
        """M, what ``local_values`` remembers of each agent."""
        return self._setup.config.memory

    @abc.abstractmethod
    def local_values(
        self, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What agents expect in a row if they follow the policy.

        Args:
          observations: (B, N, O).
          legal_actions: (B, N, A) bool.
          memory: (B, N, M), zeros as an episode begins.

        Returns:
          (B, N), for the mixer, and the memory after the row.
        """

    @abc.abstractmethod
    def value_terms(self, experience: trajectory.Transition, weights: Any) -> ValueInfo:
        """The loss of a batch of windows; pure but for draws, which the step fixes."""

    def counts(self, experience: trajectory.Transition, weights: Any) -> tf.Tensor:
        """(B, T): the weight of each row in the losses, 0 in burn-in and outside the episode."""
        inside = experience.action_step.info["inside"]
        counts = tf.cast(tf.range(inside.shape[1]) >= self._setup.config.burn_in, tf.float32)
        return inside * counts * (1.0 if weights is None else weights[:, None])

    def discounts(self, experience: trajectory.Transition) -> tf.Tensor:
        """(B, T): gamma, or 0 where the scenario ended."""
        return self._setup.config.gamma * experience.next_time_step.discount

    def follows(self, experience: trajectory.Transition) -> tf.Tensor:
        """(B, T): 1 where the next row is in the window and of the same episode."""
        inside = experience.action_step.info["inside"]
        return tf.concat([inside[:, 1:], tf.zeros_like(inside[:, :1])], axis=1)

    def _train(self, experience: trajectory.Transition, weights: Any) -> tf_agent.LossInfo:
        config = self._setup.config
        variables = [variable for net in self.trained for variable in net.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            terms = self.value_terms(experience, weights)
        gradients, _ = tf.clip_by_global_norm(
            global_gradients(tape.gradient(terms.critic_loss, variables)), config.gradient_clip
        )
        improve(self._optimizer, gradients, variables)
        self._move_targets(config.tau)
        self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(terms.critic_loss, terms)

    def _loss(
        self, experience: trajectory.Transition, weights: Any, training: bool
    ) -> tf_agent.LossInfo:
        del training
        terms = self.value_terms(experience, weights)
        return tf_agent.LossInfo(terms.critic_loss, terms)


def build_mixer(setup: AgentSetup) -> MonotonicMixer:
    """Build QMIX's mixer and its variables."""
    config, seed = setup.config, derive(setup.seed, "mixer")
    mixer = MonotonicMixer(
        setup.spec, config.mixer_width, config.hyper_width, seed, *setup.state_scale
    )
    mixer.create_variables()
    return mixer


def build_linear_mixer(setup: AgentSetup) -> LinearMixer:
    """Build the linear mixer and its variables."""
    seed = derive(setup.seed, "mixer")
    mixer = LinearMixer(setup.spec, setup.config.hyper_width, seed, *setup.state_scale)
    mixer.create_variables()
    return mixer


def mixed(mixer: network.Network, state: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """(B, T) the team's value in states (B, T, S), of the agents' values (B, T, N)."""
    rows = tf.reshape(state, (-1, state.shape[-1])), tf.reshape(values, (-1, values.shape[-1]))
    return tf.reshape(mixer(rows)[0], tf.shape(values)[:2])


def of_actions(utilities: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """(..., N) the value of each agent's action, of (..., N, A) and (..., N)."""
    return tf.gather(utilities, actions, axis=-1, batch_dims=actions.shape.rank)


def ahead(net: TeamNetwork, observations: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
    """What a network says of the rows that follow, (B, T, N, U).

    Args:
      net: the network.
      observations: (B, T, N, O) the next ones.
      memory: (B, T, N, M) the network's own after each row.
    """
    n, o = observations.shape[2:]
    outputs, _ = net.outputs(
        tf.reshape(observations, (-1, n, o)), tf.reshape(memory, (-1, n, memory.shape[-1]))
    )
    return tf.reshape(outputs, (*tf.unstack(tf.shape(observations)[:3]), outputs.shape[-1]))
