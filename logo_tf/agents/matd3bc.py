"""MATD3+BC: the value, held to the data by cloning."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.central_critic import ActorTerms, CentralCriticAgent, CriticTerms
from logo_tf.agents.losses import masked_mean, regression
from logo_tf.agents.units import to_unit


class MATD3BCAgent(CentralCriticAgent):
    """MATD3 whose actor also imitates, with u the actions in units of their bounds.

    ::

        L_pi = -lambda * mean Q_1(s, pi(o)) + mean (u_pi(o) - u)^2
        lambda = q_weight / mean |Q_1(s, pi(o))|

    The second mean is over real dimensions of living agents in real rows: an imagined row
    holds the policy's own action, and imitating it would only slow learning down.

    Reference: Fujimoto and Gu, "A Minimalist Approach to Offline RL", 2021 (q_weight is
    its alpha). Hyper-parameters: ``q_weight``, and those of ``CentralCriticAgent``.
    """

    def critic_terms(self, experience: trajectory.Transition, weights: Any) -> CriticTerms:
        """The temporal-difference loss alone."""
        state = experience.time_step.observation["state"]
        q, _ = self._critic((state, experience.action_step.action))
        return self.temporal_terms(experience, q, weights)

    def actor_terms(self, experience: trajectory.Transition, weights: Any) -> ActorTerms:
        """L_pi."""
        spec, seen = self._setup.spec, experience.time_step.observation
        rows = self._row_weights(experience, weights)
        actions, _ = self._actor(seen)
        q = self._critic.first(seen["state"], actions)
        size = tf.stop_gradient(masked_mean(tf.abs(q), rows))
        mask = self._real_agents(experience, weights)[:, :, None] * spec.action_mask
        logged = to_unit(spec, experience.action_step.action)
        cloning = regression(to_unit(spec, actions), logged, mask)
        mean_q = masked_mean(q, rows)
        scale = self._setup.config.q_weight / tf.maximum(size, 1e-6)
        return ActorTerms(loss=cloning - scale * mean_q, q=mean_q, cloning=cloning)
