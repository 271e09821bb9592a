"""Discrete MACQL: QMIX whose value of joint actions that the data do not support is held down."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.losses import conservative_gap
from logo_tf.agents.picked_rows import PickedRows, pick_rows
from logo_tf.agents.qmix import Conservatism, QMIXAgent, Values


class DiscreteMACQLAgent(QMIXAgent):
    """QMIX with CQL(H)'s term over legal joint actions.

    ::

        gap = mean_down log mean_m exp Q_tot(s, a_m) - mean_up Q_tot(s, a)
        L   = mean (Q_tot(s, a) - G)^2 + cql_alpha * gap

    The a_m are ``cql_actions`` joint actions, each agent's drawn uniformly from what was
    legal for it. Either mean is over ``cql_states`` rows: the same ones in CQL, and with
    ``cql_rows`` "imagined", as in COMBO, imagined ones (down) and real ones (up). COMBO writes
    the policy's mean of Q_tot there; here it stays the soft maximum.

    References: Kumar et al., "Conservative Q-Learning", 2020, which sums over all actions;
    joint ones are too many, hence the draws. Yu et al., "COMBO: Conservative Offline
    Model-Based Policy Optimization", 2021. LOGO section 4.4 names MACQL as its backbone.
    Hyper-parameters: ``cql_alpha``, ``cql_states``, ``cql_actions``, ``cql_rows``, and those
    of ``QMIXAgent``.
    """

    def conservative(
        self, experience: trajectory.Transition, values: Values, counts: tf.Tensor
    ) -> Conservatism:
        """The gap; nothing is cloned."""
        seen = experience.time_step.observation
        down, up = (tf.reshape(side, [-1]) for side in self.held_rows(experience, counts))
        length = counts.shape[1]
        picked = self.conservative_rows(down, length)
        rows, logged = picked.rows, self.conservative_rows(up, length).rows

        def taken(field: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.reshape(field, (-1, *field.shape[2:])), rows)

        utilities = taken(values.utilities)
        drawn = self.draws(taken(seen["legal_actions"]), picked)
        chosen = tf.gather(utilities, drawn, axis=-1, batch_dims=2)
        q = self._mixer.mix(taken(seen["state"]), tf.transpose(chosen, (0, 2, 1)))
        gap = conservative_gap(
            q[..., None],
            tf.zeros_like(q),
            tf.gather(tf.reshape(values.q, [-1]), logged)[:, None],
            tf.gather(down, rows),
            tf.gather(up, logged),
        )
        return Conservatism(gap, tf.zeros(()))

    def conservative_rows(self, counts: tf.Tensor, length: int) -> PickedRows:
        """Rows for the term, drawn among those (B*T,) that count, of windows of T = ``length``."""

        def drawn(counts: tf.Tensor) -> tf.Tensor:
            # Below any difference of counts, so that rows that do not count come last.
            draw = tf.random.stateless_uniform(tf.shape(counts), self.draw_seed("rows"))
            size = tf.minimum(self._setup.config.cql_states, tf.size(counts))
            return tf.math.top_k(counts + 1e-3 * draw, size).indices

        return pick_rows(drawn, counts, length)

    def draws(self, legal_actions: tf.Tensor, picked: PickedRows) -> tf.Tensor:
        """(R, N, M) int32: M legal actions of each agent, drawn uniformly from (R, N, A)."""
        spec = self._setup.spec
        legal = legal_actions & tf.constant(spec.action_mask > 0)
        # Of nothing but minus infinity a draw is undefined; whoever may do nothing draws any.
        legal |= ~tf.reduce_any(legal, axis=-1, keepdims=True)
        may = picked.of_all(tf.cast(legal, tf.float32))
        flat = tf.math.log(tf.reshape(may, (-1, spec.action_dim)))
        drawn = tf.random.stateless_categorical(
            flat, self._setup.config.cql_actions, self.draw_seed("joint actions"), tf.int32
        )
        return picked.own(tf.reshape(drawn, (-1, spec.num_agents, drawn.shape[-1])))
