"""MATD3: decentralised actors under twin central critics, what MATD3+BC and MACQL share."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.critic import TwinCritic
from logo_tf.agents.losses import masked_mean, temporal_difference
from logo_tf.agents.offline_agent import (
    AgentSetup,
    OfflineAgent,
    adam,
    build_actor,
    improve,
    target_of,
)
from logo_tf.agents.team_policy import greedy_actions
from logo_tf.agents.team_value import TeamValue
from logo_tf.agents.units import from_unit, to_unit
from logo_tf.replicas import draw_rows, global_gradients


class CriticTerms(NamedTuple):
    """Scalars of the critics' loss.

    loss: what they minimise; td_error: mean |Q - y|; q: mean Q of the batch's actions;
    conservative: CQL's gap, 0 where there is none.
    """

    loss: tf.Tensor
    td_error: tf.Tensor
    q: tf.Tensor
    conservative: tf.Tensor


class ActorTerms(NamedTuple):
    """Scalars of the actor's loss.

    loss: what it minimises; q: mean Q_1 of its own actions; cloning: how far they are
    from the logged ones, as a mean square in units of the bounds.
    """

    loss: tf.Tensor
    q: tf.Tensor
    cloning: tf.Tensor


class CentralCriticInfo(NamedTuple):
    """Scalars of one step, those of the actor from its latest update."""

    critic_loss: tf.Tensor
    td_error: tf.Tensor
    q_data: tf.Tensor
    conservative: tf.Tensor
    actor_loss: tf.Tensor
    q_policy: tf.Tensor
    cloning: tf.Tensor


class CentralCriticAgent(OfflineAgent, metaclass=abc.ABCMeta):
    """The update that MATD3+BC and MACQL have in common.

    With the joint action a, the shared reward scaled to r, and d = 0 only where the
    scenario ended (so a time limit cuts no value)::

        y    = r + gamma * d * min_e Q'_e(s', clip(pi'(o') + clip(noise)))
        L_Q  = sum_e mean (Q_e(s, a) - y)^2 + what the algorithm adds

    All agents' actions are replaced by the policy's at once, since they share one network
    and one reward. Actor and targets move every ``actor_every`` steps.

    References: Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic
    Methods", 2018; Ackermann et al., "Reducing Overestimation Bias in Multi-Agent Domains
    Using Double Centralized Critics", 2019.

    Hyper-parameters: ``width``, ``depth``, ``critic_norm``, ``actor_learning_rate``,
    ``critic_learning_rate``, ``gradient_clip``, ``gamma``, ``tau``, ``actor_every``,
    ``target_noise``, ``target_noise_clip``, ``batch_size``.
    """

    metric_names = CentralCriticInfo._fields

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of continuous actions."""
        tf.Module.__init__(self, name=type(self).__name__)
        super().__init__(setup, build_actor(setup))
        self._critic = build_critic(setup)
        self._target_actor, self._target_critic = target_of(self._actor), target_of(self._critic)
        self._actor_optimizer = adam(setup.config.actor_learning_rate)
        self._critic_optimizer = adam(setup.config.critic_learning_rate)
        self._latest_actor = tf.Variable(tf.zeros(len(ActorTerms._fields)), trainable=False)

    @property
    def critic(self) -> TwinCritic:
        """The twin critics."""
        return self._critic

    @property
    def networks(self) -> dict[str, network.Network]:
        """The actor, and the critics, which planning needs."""
        return {"actor": self._actor, "critic": self._critic}

    @property
    def followed(self) -> tuple[tuple[network.Network, network.Network], ...]:
        """Actor and critics."""
        return (self._actor, self._target_actor), (self._critic, self._target_critic)

    @property
    def team_value(self) -> TeamValue:
        """min_e Q_e(s, pi(o)): the pessimism of the targets."""

        def estimate(
            state: tf.Tensor, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            actions, memory = greedy_actions(
                self._setup.spec, self._actor, observations, legal_actions, memory
            )
            q, _ = self._critic((state, actions))
            return self.raw_value(tf.reduce_min(q, axis=-1)), memory

        return TeamValue(estimate, self._actor.memory_dim)

    @abc.abstractmethod
    def critic_terms(self, experience: trajectory.Transition, weights: Any) -> CriticTerms:
        """Return the critics' loss on a batch; pure but for the draws, fixed by the step."""

    @abc.abstractmethod
    def actor_terms(self, experience: trajectory.Transition, weights: Any) -> ActorTerms:
        """Return the actor's loss on a batch; pure."""

    def targets(self, experience: trajectory.Transition) -> tf.Tensor:
        """(B,) y, the one-step targets of the critics."""
        setup, after = self._setup, experience.next_time_step
        actions, _ = self._target_actor(after.observation)
        if setup.config.target_noise > 0.0:
            actions = self._smoothed(actions)
        q, _ = self._target_critic((after.observation["state"], actions))
        return self.rewards(experience) + setup.config.gamma * after.discount * tf.reduce_min(
            q, axis=-1
        )

    def temporal_terms(
        self, experience: trajectory.Transition, q: tf.Tensor, weights: Any
    ) -> CriticTerms:
        """The temporal-difference part, from Q (B, 2) of the batch's joint actions."""
        rows = self._row_weights(experience, weights)
        td = temporal_difference(q, self.targets(experience), rows)
        mean_q = masked_mean(tf.reduce_mean(q, axis=-1), rows)
        return CriticTerms(td.loss, td.error, mean_q, tf.zeros(()))

    def _smoothed(self, actions: tf.Tensor) -> tf.Tensor:
        config, spec = self._setup.config, self._setup.spec
        seed = self.draw_seed("target noise")
        noise = draw_rows(
            lambda shape: tf.random.stateless_normal(shape, seed, stddev=config.target_noise),
            tf.shape(actions),
        )
        noise = tf.clip_by_value(noise, -config.target_noise_clip, config.target_noise_clip)
        return from_unit(spec, tf.clip_by_value(to_unit(spec, actions) + noise, -1.0, 1.0))

    @property
    def improves_every(self) -> int:
        """The actor waits for the critics."""
        return self._setup.config.actor_every

    def _train(
        self, experience: trajectory.Transition, weights: Any, improves: bool | None = None
    ) -> tf_agent.LossInfo:
        config = self._setup.config
        variables = self._critic.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            critic = self.critic_terms(experience, weights)
        gradients, _ = tf.clip_by_global_norm(
            global_gradients(tape.gradient(critic.loss, variables)), config.gradient_clip
        )
        improve(self._critic_optimizer, gradients, variables)
        if improves is None:
            latest = tf.cond(
                self.train_step_counter % config.actor_every == 0,
                lambda: self._improve_actor(experience, weights),
                self._latest_actor.read_value,
            )
        elif improves:
            latest = self._improve_actor(experience, weights)
        else:
            latest = self._latest_actor.read_value()
        self.train_step_counter.assign_add(1)
        return _loss_info(critic, ActorTerms(*tf.unstack(latest)))

    def _improve_actor(self, experience: trajectory.Transition, weights: Any) -> tf.Tensor:
        variables = self._actor.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            terms = self.actor_terms(experience, weights)
        gradients = global_gradients(tape.gradient(terms.loss, variables))
        improve(self._actor_optimizer, gradients, variables)
        self._move_targets(self._setup.config.tau)
        return self._latest_actor.assign(tf.stack(terms))

    def _loss(
        self, experience: trajectory.Transition, weights: Any, training: bool
    ) -> tf_agent.LossInfo:
        del training
        return _loss_info(
            self.critic_terms(experience, weights), self.actor_terms(experience, weights)
        )


def build_critic(setup: AgentSetup) -> TwinCritic:
    """Build the twin critics and their variables."""
    critic = TwinCritic(
        setup.spec,
        setup.config.width,
        setup.config.depth,
        setup.config.critic_norm,
        setup.seed,
        *setup.state_scale,
    )
    critic.create_variables()
    return critic


def _loss_info(critic: CriticTerms, actor: ActorTerms) -> tf_agent.LossInfo:
    extra = CentralCriticInfo(
        critic_loss=critic.loss,
        td_error=critic.td_error,
        q_data=critic.q,
        conservative=critic.conservative,
        actor_loss=actor.loss,
        q_policy=actor.q,
        cloning=actor.cloning,
    )
    return tf_agent.LossInfo(critic.loss + actor.loss, extra)
