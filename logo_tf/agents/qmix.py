"""QMIX: agents with a memory whose values a monotone mixer joins into the team's."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.trajectories import trajectory
from tf_agents.utils import common

from logo_tf.agents.losses import lambda_returns, masked_mean
from logo_tf.agents.mixer import MonotonicMixer
from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent, adam, build_actor
from logo_tf.seeds import derive, pair


class ValueInfo(NamedTuple):
    """Scalars of one step.

    critic_loss: what is minimised; td_error: mean |Q_tot - G|; q_data: mean Q_tot of the
    logged joint actions; conservative: CQL's gap, 0 where there is none.
    """

    critic_loss: tf.Tensor
    td_error: tf.Tensor
    q_data: tf.Tensor
    conservative: tf.Tensor


class Values(NamedTuple):
    """What the networks say along windows.

    utilities: (B, T, N, A), Q_i(o^i, .), unmasked; memory: (B, T, N, M) after each row;
    q: (B, T), Q_tot of the logged joint actions.
    """

    utilities: tf.Tensor
    memory: tf.Tensor
    q: tf.Tensor


class QMIXAgent(OfflineAgent):
    """Double Q-learning of a monotone team value, along windows, with TD(lambda).

    With the logged joint action a, Q' the target networks and a' the legal joint action
    that the learning ones find best in the next row::

        V_t+1 = Q'_tot(s_t+1, Q'_i(o_t+1^i, a'^i))
        G_t   = r_t + gamma d_t [ V_t+1 + lambda (G_t+1 - V_t+1) ]
        L     = mean (Q_tot(s_t, Q_i(o_t^i, a_t^i)) - G_t)^2

    Means are over rows of the episode after the first ``burn_in`` ones, which only fill the
    agents' memories. d is 0 where the scenario ended. Targets move by ``tau`` a step.

    References: Rashid et al., "QMIX", 2018; van Hasselt et al., "Deep Reinforcement
    Learning with Double Q-learning", 2016. Unlike PyMARL's, agents are not shown their last
    action. Hyper-parameters: ``width``, ``depth``, ``memory``, ``mixer_width``,
    ``hyper_width``, ``window``, ``burn_in``, ``batch_size``, ``critic_learning_rate``,
    ``gradient_clip``, ``gamma``, ``trace``, ``tau``.
    """

    metric_names = ValueInfo._fields

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of discrete actions."""
        tf.Module.__init__(self, name=type(self).__name__)
        super().__init__(setup, build_actor(setup))
        self._mixer = build_mixer(setup)
        self._target_actor = self._actor.copy(name="TargetActor")
        self._target_mixer = self._mixer.copy(name="TargetMixer")
        self._target_actor.create_variables()
        self._target_mixer.create_variables()
        self._optimizer = adam(setup.config.critic_learning_rate)

    @property
    def networks(self) -> dict[str, network.Network]:
        """The agents' values, which are the policy, and the mixer."""
        return {"actor": self._actor, "mixer": self._mixer}

    @property
    def trained(self) -> tuple[network.Network, ...]:
        """The networks that the loss trains."""
        return self._actor, self._mixer

    def values(self, experience: trajectory.Transition) -> Values:
        """What the learning networks say of a batch of windows."""
        seen = experience.time_step.observation
        utilities, memory = self._actor.unroll(
            seen["observations"], experience.action_step.info["inside"]
        )
        chosen = _of(utilities, experience.action_step.action)
        return Values(utilities, memory, _mixed(self._mixer, seen["state"], chosen))

    def targets(self, experience: trajectory.Transition, memory: tf.Tensor) -> tf.Tensor:
        """(B, T) G, TD(lambda)'s targets; ``memory``: of the learning agents after each row."""
        setup, after = self._setup, experience.next_time_step
        inside = experience.action_step.info["inside"]
        ours, _ = self._actor.outputs(*_flat(after.observation["observations"], memory))
        shape = tf.shape(after.observation["legal_actions"])
        legal = self._actor.mask(tf.reshape(ours, shape), after.observation["legal_actions"])
        best = tf.argmax(legal, axis=-1, output_type=tf.int32)
        _, memory = self._target_actor.unroll(
            experience.time_step.observation["observations"], inside
        )
        theirs, _ = self._target_actor.outputs(*_flat(after.observation["observations"], memory))
        value = _of(tf.reshape(theirs, shape), best)
        mixed = _mixed(self._target_mixer, after.observation["state"], value)
        rewards = (after.reward - setup.rewards.shift) / setup.rewards.scale
        follows = tf.concat([inside[:, 1:], tf.zeros_like(inside[:, :1])], axis=1)
        discounts = setup.config.gamma * after.discount
        return lambda_returns(rewards, discounts, mixed, follows, setup.config.trace)

    def value_terms(self, experience: trajectory.Transition, weights: Any) -> ValueInfo:
        """The loss of a batch of windows; pure but for draws, which the step fixes."""
        values = self.values(experience)
        counts = self.counts(experience, weights)
        errors = values.q - tf.stop_gradient(self.targets(experience, values.memory))
        loss = masked_mean(tf.square(errors), counts)
        gap = self.conservative(experience, values, counts)
        return ValueInfo(
            critic_loss=loss + self._setup.config.cql_alpha * gap,
            td_error=masked_mean(tf.abs(errors), counts),
            q_data=masked_mean(values.q, counts),
            conservative=gap,
        )

    def conservative(
        self, experience: trajectory.Transition, values: Values, counts: tf.Tensor
    ) -> tf.Tensor:
        """() what an offline algorithm adds to hold values down, before its weight."""
        del experience, values, counts
        return tf.zeros(())

    def counts(self, experience: trajectory.Transition, weights: Any) -> tf.Tensor:
        """(B, T): the weight of each row in the losses, 0 in burn-in and outside the episode."""
        inside = experience.action_step.info["inside"]
        counts = tf.cast(tf.range(inside.shape[1]) >= self._setup.config.burn_in, tf.float32)
        return inside * counts * (1.0 if weights is None else weights[:, None])

    def draw_seed(self, purpose: str) -> tf.Tensor:
        """(2,) seed of this step's draws for one purpose: a function of seed and step alone."""
        key = tf.constant(pair(self._setup.seed, purpose), tf.int64)
        return key + tf.stack([self.train_step_counter, tf.zeros((), tf.int64)])

    def _initialize(self) -> None:
        """Copy the networks to their targets."""
        self._move_targets(1.0)

    def _train(self, experience: trajectory.Transition, weights: Any) -> tf_agent.LossInfo:
        config = self._setup.config
        variables = [variable for net in self.trained for variable in net.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            terms = self.value_terms(experience, weights)
        gradients, _ = tf.clip_by_global_norm(
            tape.gradient(terms.critic_loss, variables), config.gradient_clip
        )
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self._move_targets(config.tau)
        self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(terms.critic_loss, terms)

    def _loss(
        self, experience: trajectory.Transition, weights: Any, training: bool
    ) -> tf_agent.LossInfo:
        del training
        terms = self.value_terms(experience, weights)
        return tf_agent.LossInfo(terms.critic_loss, terms)

    def _move_targets(self, tau: float) -> None:
        pairs: tuple[tuple[network.Network, network.Network], ...] = (
            (self._actor, self._target_actor),
            (self._mixer, self._target_mixer),
        )
        for source, target in pairs:
            common.soft_variables_update(
                source.trainable_variables, target.trainable_variables, tau
            )


def build_mixer(setup: AgentSetup) -> MonotonicMixer:
    """Build the mixer and its variables."""
    known, config = setup.standardisation, setup.config
    mixer = MonotonicMixer(
        setup.spec,
        config.mixer_width,
        config.hyper_width,
        derive(setup.seed, "mixer"),
        None if known is None else known.state_mean,
        None if known is None else known.state_std,
    )
    mixer.create_variables()
    return mixer


def _mixed(mixer: MonotonicMixer, state: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """(B, T) Q_tot of states (B, T, S) and the agents' values (B, T, N)."""
    q, _ = mixer(
        (tf.reshape(state, (-1, state.shape[-1])), tf.reshape(values, (-1, values.shape[-1])))
    )
    return tf.reshape(q, tf.shape(values)[:2])


def _of(utilities: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """(..., N) the value of each agent's action, of (..., N, A) and (..., N)."""
    return tf.gather(utilities, actions, axis=-1, batch_dims=actions.shape.rank)


def _flat(observations: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows of windows, (B, T, N, ...) -> (B*T, N, ...), as if each were an episode's next."""
    n, o = observations.shape[2:]
    return tf.reshape(observations, (-1, n, o)), tf.reshape(memory, (-1, n, memory.shape[-1]))
