"""Continuous MACQL: the value of actions that the data do not support is pushed down."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.central_critic import ActorTerms, CentralCriticAgent, CriticTerms
from logo_tf.agents.losses import (
    conservative_gap,
    gaussian_log_density,
    masked_mean,
    regression,
)
from logo_tf.agents.picked_rows import PickedRows, pick_rows
from logo_tf.agents.units import from_unit, to_unit


class Draws(NamedTuple):
    """Actions that were drawn, and how densely.

    actions: (R, M, N, A), M joint actions for each of R rows, in raw units;
    log_density: (R, M) of the joint action, or (R, M, N) of each agent's own, over units in
    which the bounds are -1 and 1.
    """

    actions: tf.Tensor
    log_density: tf.Tensor


class MACQLAgent(CentralCriticAgent):
    """MATD3 with CQL(H)'s term on joint actions, and an actor that follows the value alone.

    ::

        gap_e = mean_down log mean_m [exp(Q_e(s, a_m)) / density(a_m)] - mean_up Q_e(s, a)
        L_Q  = sum_e [ mean (Q_e(s, a) - y)^2 + cql_alpha * gap_e ]
        L_pi = -mean Q_1(s, pi(o)) / mean |Q_1(s, pi(o))|

    The a_m are ``cql_actions`` joint actions each: uniform within the bounds, around pi(o)
    and around pi(o') (normal with ``cql_sigma``, then cut at the bounds). Either mean is over
    ``cql_states`` rows: the same ones in CQL, and with ``cql_rows`` "imagined", as in COMBO,
    imagined ones (down) and real ones (up). COMBO writes the policy's mean of Q there; here it
    stays the soft maximum over the a_m, of which two thirds are around the policy. All joint
    actions share one call of the critics: with 10 of each on every row, a step costs some 20
    times as much.

    References: Kumar et al., "Conservative Q-Learning", 2020, Appendix F; Yu et al., "COMBO:
    Conservative Offline Model-Based Policy Optimization", 2021; LOGO section 4.4 names MACQL
    as its backbone. Hyper-parameters: ``cql_alpha``, ``cql_states``, ``cql_actions``,
    ``cql_sigma``, ``cql_rows``, and those of ``CentralCriticAgent``.
    """

    def critic_terms(self, experience: trajectory.Transition, weights: Any) -> CriticTerms:
        """The temporal-difference loss and the conservative term, in one call of the critics."""
        state, logged = experience.time_step.observation["state"], experience.action_step.action
        held = self.held_rows(experience, self._row_weights(experience, weights))
        picked, up = self.spread_rows(held.down), self.spread_rows(held.up).rows
        draws, down = self.draws(experience, picked), picked.rows
        count, actions = draws.actions.shape[1], draws.actions.shape[2:]
        states = tf.repeat(tf.gather(state, down), count, axis=0)
        q, _ = self._critic(
            (
                tf.concat([state, states], axis=0),
                tf.concat([logged, tf.reshape(draws.actions, (-1, *actions))], axis=0),
            )
        )
        batch = tf.shape(state)[0]
        q_data, q_samples = q[:batch], tf.reshape(q[batch:], (-1, count, 2))
        terms = self.temporal_terms(experience, q_data, weights)
        gap = conservative_gap(
            q_samples,
            draws.log_density,
            tf.gather(q_data, up),
            tf.gather(held.down, down),
            tf.gather(held.up, up),
        )
        return terms._replace(
            loss=terms.loss + self._setup.config.cql_alpha * gap, conservative=gap
        )

    def actor_terms(self, experience: trajectory.Transition, weights: Any) -> ActorTerms:
        """L_pi; how far the actor is from the data is only reported."""
        spec, seen = self._setup.spec, experience.time_step.observation
        rows = self._row_weights(experience, weights)
        actions, _ = self._actor(seen)
        q = self._critic.first(seen["state"], actions)
        size = tf.stop_gradient(masked_mean(tf.abs(q), rows))
        mean_q = masked_mean(q, rows)
        mask = self._real_agents(experience, weights)[:, :, None] * spec.action_mask
        logged = to_unit(spec, experience.action_step.action)
        cloning = tf.stop_gradient(regression(to_unit(spec, actions), logged, mask))
        return ActorTerms(loss=-mean_q / tf.maximum(size, 1e-6), q=mean_q, cloning=cloning)

    def spread_rows(self, counts: tf.Tensor) -> PickedRows:
        """At most ``cql_states`` rows, spread over those (B,) that count.

        Rows are drawn independently, so which of them are taken does not matter.
        """

        def spread(counts: tf.Tensor) -> tf.Tensor:
            counted = tf.where(counts > 0)[:, 0]
            found = tf.size(counted)
            size = tf.minimum(self._setup.config.cql_states, found)
            return tf.gather(counted, tf.range(size) * found // size)

        return pick_rows(spread, counts)

    def seen_in(self, experience: trajectory.Transition, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """The observation in R rows of the batch, (R, ...)."""
        seen = experience.time_step.observation
        return {name: tf.gather(field, rows) for name, field in seen.items()}

    def draws(self, experience: trajectory.Transition, picked: PickedRows) -> Draws:
        """The joint actions whose value the term holds down, log density (R, M)."""
        drawn = self.agent_draws(experience, picked)
        return drawn._replace(log_density=tf.reduce_sum(drawn.log_density, axis=-1))

    def agent_draws(self, experience: trajectory.Transition, picked: PickedRows) -> Draws:
        """Draw M = 3 * ``cql_actions`` actions of every agent for each of R picked rows.

        No gradient flows. The log density (R, M, N) is of each agent's own action.
        """
        spec, config = self._setup.spec, self._setup.config
        mask = tf.constant(spec.action_mask)
        rows, k = picked.rows, config.cql_actions
        here, after = experience.time_step.observation, experience.next_time_step.observation
        seen = {
            name: tf.concat([tf.gather(here[name], rows), tf.gather(after[name], rows)], axis=0)
            for name in ("observations", "legal_actions")
        }
        policy, _ = self._actor(seen)
        around = tf.reshape(to_unit(spec, policy), (2, -1, 1, *spec.action_shape))
        shape = (2, picked.count, k, *spec.action_shape)
        noise = tf.random.stateless_normal(shape, self.draw_seed("around the policy"))
        noise = picked.own(noise, axis=1)
        near = tf.clip_by_value(around + config.cql_sigma * noise, -1.0, 1.0)
        near_density = gaussian_log_density(noise, config.cql_sigma, spec.action_mask)
        uniform = tf.random.stateless_uniform(
            shape[1:], self.draw_seed("uniform actions"), minval=-1.0, maxval=1.0
        )
        uniform = picked.own(uniform)
        uniform_density = tf.broadcast_to(
            -math.log(2.0) * tf.reduce_sum(mask, axis=-1), (tf.shape(rows)[0], k, spec.num_agents)
        )
        unit = tf.concat([uniform, near[0], near[1]], axis=1) * mask
        density = tf.concat([uniform_density, near_density[0], near_density[1]], axis=1)
        unit = tf.ensure_shape(unit, (None, 3 * k, *spec.action_shape))
        return Draws(tf.stop_gradient(from_unit(spec, unit)), density)
