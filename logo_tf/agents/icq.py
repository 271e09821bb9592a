"""ICQ: values and policy learned from logged actions alone, by weights over the batch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.in_sample import InSampleAgent
from logo_tf.agents.losses import masked_mean, relative_weights
from logo_tf.agents.team_policy import greedy_actions
from logo_tf.agents.value_agent import ValueInfo, mixed


class ICQAgent(InSampleAgent):
    """Implicit constraint Q-learning: no value is learned of an action that was not logged.

    With a the logged joint actions, w(s) the mixer's weights, Q' the target networks and
    mean-one weights over the batch in place of the softmax times its size::

        y_t  = r_t + gamma d_t rho_t+1 Q'_tot(s_t+1, a_t+1)     rho ~ exp(Q'_tot / icq_value_beta)
        L_Q  = mean (Q_tot(s_t, a_t) - y_t)^2
        A_i  = Q_i(o^i, a^i) - E_b~pi Q_i(o^i, b)               b legal; vectors: b = pi(o^i)
        L_pi = -mean w_i(s) omega_i log pi(a^i | o^i)           omega ~ exp(A_i / icq_beta)

    A row whose next action is not in the window (its last one, or a time limit) has no y
    and is left out of L_Q; an ending needs none. Imagined rows hold the policy's own
    actions, which are weighed like the others.

    Reference: Yang et al., "Believe What You See: Implicit Constraint Approach for Offline
    Multi-Agent Reinforcement Learning", 2021; targets are of one step where the paper's
    code uses TD(lambda). The paper is about discrete actions; for vectors log pi is
    ``Vectors``'s, and the baseline the value of the actor's own action.
    Hyper-parameters: ``icq_beta``, ``icq_value_beta``, and those of ``InSampleAgent``.
    """

    @property
    def local_memory_dim(self) -> int:
        """That of the policy, and that of the values."""
        return 2 * self._setup.config.memory

    def local_values(
        self, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Q_i of the policy's greedy action."""
        ours, theirs = tf.split(memory, 2, axis=-1)
        actions, ours = greedy_actions(
            self._setup.spec, self._actor, observations, legal_actions, ours
        )
        outputs, theirs = self._utilities.outputs(observations, theirs)
        values = self._local.of_actions(self._utilities, outputs, actions)
        return values, tf.concat([ours, theirs], axis=-1)

    def value_terms(self, experience: trajectory.Transition, weights: Any) -> ValueInfo:
        """L_Q + L_pi, and what they are made of."""
        seen = experience.time_step.observation
        state = seen["state"]
        policy = self._local.policy(self._actor, experience)
        chosen, expected = self._local.of_logged_and_policy(self._utilities, experience, policy)
        q = mixed(self._mixer, state, chosen)
        rows = self.counts(experience, weights)
        discounts, follows = self.discounts(experience), self.follows(experience)
        errors = q - tf.stop_gradient(self._targets(experience, rows, discounts, follows))
        known = rows * tf.where(discounts > 0, follows, 1.0)
        loss = masked_mean(tf.square(errors), known)

        agents = rows[..., None] * seen["agent_mask"]
        omega = relative_weights((chosen - expected) / self._setup.config.icq_beta, agents)
        omega *= self._mixer.weights_of(state)
        cloned = tf.stop_gradient(omega) * self._local.log_likelihood(policy, experience)
        actor_loss = -masked_mean(cloned, agents)
        return ValueInfo(
            critic_loss=loss + actor_loss,
            td_error=masked_mean(tf.abs(errors), known),
            q_data=masked_mean(q, rows),
            conservative=tf.zeros(()),
            actor_loss=actor_loss,
        )

    def _targets(
        self,
        experience: trajectory.Transition,
        rows: tf.Tensor,
        discounts: tf.Tensor,
        follows: tf.Tensor,
    ) -> tf.Tensor:
        """(B, T) y; where the next action is unknown, r alone."""
        chosen = self._local.of_logged(self._target_utilities, experience)
        q = mixed(self._target_mixer, experience.time_step.observation["state"], chosen)
        q *= relative_weights(q / self._setup.config.icq_value_beta, rows)
        following = tf.concat([q[:, 1:], tf.zeros_like(q[:, :1])], axis=1)
        return self.rewards(experience) + discounts * follows * following
