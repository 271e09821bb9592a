"""OMAR: an actor that also goes where a search without gradients finds better actions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.central_critic import ActorTerms
from logo_tf.agents.losses import regression
from logo_tf.agents.macql import MACQLAgent
from logo_tf.agents.picked_rows import PickedRows
from logo_tf.agents.units import from_unit, to_unit


class OMARAgent(MACQLAgent):
    """MACQL whose actor is rectified, as a conservative value is hard to climb by gradients.

    With u actions in units of their bounds and tau = ``omar_weight``::

        L_pi  = -(1 - tau) mean Q_1(s, pi(o)) / mean |Q_1(s, pi(o))|
                + tau mean (u_pi(o^i) - u*^i)^2
        u*^i  = the best of pi(o^i) and all draws, by Q_1(s, u^i, pi^-i)
        draws: normal, cut at the bounds, of mean 0 and ``omar_sigma`` in the first of
        ``omar_rounds``; then of the last round's mean under softmax(Q_1 / omar_beta), and of
        its spread around that mean

    The second mean is over real dimensions of living agents in ``cql_states`` rows of the
    batch: on all of them the search would cost several times the rest of the step.

    Reference: Pan et al., "Plan Better Amid Conservatism: Offline Multi-Agent Reinforcement
    Learning with Actor Rectification", 2022. There every agent has a critic of its own
    observation and action. Here agents share a reward and the central critics of the
    project's other algorithms, so that one's draws are judged beside what the others now do,
    not beside what they did on average; the value is divided by its size, as in MACQL;
    the draws of all rounds are candidates, not those of the last; and actions are not pulled
    to 0, as the authors' code does at 0.001. Their tau on HalfCheetah is 1, 0.9, 0.7 and 0.5
    for random, medium-replay, medium and expert data, with 2 rounds of 20, fitted there to
    the 5 best in place of the softmax.
    Hyper-parameters: ``omar_weight``, ``omar_rounds``, ``omar_samples``, ``omar_sigma``,
    ``omar_beta``, and those of ``MACQLAgent``.
    """

    def actor_terms(self, experience: trajectory.Transition, weights: Any) -> ActorTerms:
        """L_pi; how far the actor is from the data is only reported."""
        spec, tau = self._setup.spec, self._setup.config.omar_weight
        terms = super().actor_terms(experience, weights)
        counts = self._row_weights(experience, weights)
        picked = self.spread_rows(tf.ones_like(counts))
        rows = picked.rows
        seen = self.seen_in(experience, rows)
        actions, _ = self._actor(seen)
        unit = to_unit(spec, actions)
        best = self.rectified(seen["state"], tf.stop_gradient(unit), picked)
        agents = tf.gather(counts, rows)[:, None]
        mask = (agents * seen["agent_mask"])[:, :, None] * spec.action_mask
        return terms._replace(loss=(1.0 - tau) * terms.loss + tau * regression(unit, best, mask))

    def rectified(self, state: tf.Tensor, policy: tf.Tensor, picked: PickedRows) -> tf.Tensor:
        """The best action that is found for every agent.

        Args:
          state: (R, S).
          policy: (R, N, A), the actor's actions in units of their bounds.
          picked: the R rows.

        Returns:
          (R, N, A), likewise; where no draw is better, the actor's own.
        """
        spec, config = self._setup.spec, self._setup.config
        mean, spread = tf.zeros_like(policy), config.omar_sigma * tf.ones_like(policy)
        candidates = [policy[:, None]]
        values = [self.counterfactual(state, policy, policy[:, None])]
        shape = (picked.count, config.omar_samples, *spec.action_shape)
        for number in range(config.omar_rounds):
            noise = tf.random.stateless_normal(shape, self.draw_seed(f"candidates {number}"))
            noise = picked.own(noise)
            drawn = tf.clip_by_value(mean[:, None] + spread[:, None] * noise, -1.0, 1.0)
            candidates.append(drawn * spec.action_mask)
            values.append(self.counterfactual(state, policy, candidates[-1]))
            mean, spread = refitted(candidates[-1], values[-1], config.omar_beta)
        best = tf.argmax(tf.concat(values, axis=1), axis=1)
        own = tf.transpose(tf.concat(candidates, axis=1), (0, 2, 1, 3))
        return tf.gather(own, best, axis=2, batch_dims=2)

    def counterfactual(self, state: tf.Tensor, policy: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        """(R, M, N): Q_1 if one agent did its own action and the others the policy's.

        Args:
          state: (R, S).
          policy: (R, N, A), in units of the bounds.
          own: (R, M, N, A), likewise, M actions of every agent.
        """
        spec, count = self._setup.spec, tf.shape(own)[1]
        alone = tf.eye(spec.num_agents, dtype=tf.bool)[:, :, None]
        # (R, M, N, N, A): in i's place, agent i does its own.
        joint = tf.where(alone, own[:, :, None], policy[:, None, None])
        states = tf.repeat(state, count * spec.num_agents, axis=0)
        q = self._critic.first(states, from_unit(spec, tf.reshape(joint, (-1, *spec.action_shape))))
        return tf.reshape(q, (-1, count, spec.num_agents))


def refitted(drawn: tf.Tensor, q: tf.Tensor, beta: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The normal distribution of the next round.

    Args:
      drawn: (R, M, N, A).
      q: (R, M, N), their values.
      beta: temperature.

    Returns:
      (R, N, A) each: the mean under softmax_m(q / beta), and the root of the draws' mean
      square around it.
    """
    shares = tf.nn.softmax(q / beta, axis=1)[..., None]
    mean = tf.reduce_sum(shares * drawn, axis=1)
    return mean, tf.sqrt(tf.reduce_mean(tf.square(drawn - mean[:, None]), axis=1))
