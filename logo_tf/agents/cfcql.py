"""Continuous CFCQL: values held down for one agent at a time, the others as logged."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.trajectories import trajectory

from logo_tf.agents.actor import ILLEGAL_LOGIT
from logo_tf.agents.macql import Draws, MACQLAgent
from logo_tf.agents.picked_rows import PickedRows
from logo_tf.agents.units import to_unit


class CFCQLAgent(MACQLAgent):
    """MACQL whose conservative term is about counterfactual actions of single agents.

    With a_m^i agent i's draws, the others' actions logged and u in units of the bounds::

        gap_e = mean ( sum_i lambda_i log mean_m [exp(Q_e(s, a_m^i, a^-i)) / density(a_m^i)]
                       - Q_e(s, a) )
        lambda = softmax_i ( cfcql_temperature * KL_i ),    KL_i = |u_pi(o^i) - u^i|^2 / 2 sigma^2

    Unlike a term over joint actions, its strength does not grow with the number of agents.
    KL_i is that of two Gaussians of sigma = ``cql_sigma`` around the policy's and the logged
    action, over the agent's own dimensions; the dead have no share.

    The sum over agents is estimated by one agent for each row, drawn with chance lambda_i: its
    mean is the sum, and a step costs what MACQL's does, whatever the number of agents.

    Reference: Shao et al., "Counterfactual Conservative Q Learning for Offline Multi-agent
    Reinforcement Learning", 2023. The authors' code for vectors estimates the logged
    behaviour by a variational autoencoder and takes the softmax of -KL, that for choices of
    KL; here both take the latter, which holds down the agents that left the data.
    Hyper-parameters: ``cfcql_temperature``, and those of ``MACQLAgent``.
    """

    def draws(self, experience: trajectory.Transition, picked: PickedRows) -> Draws:
        """Logged joint actions but for one agent's, which is drawn; its log density (R, M)."""
        drawn = self.agent_draws(experience, picked)
        logged = tf.gather(experience.action_step.action, picked.rows)[:, None]
        replaced = tf.one_hot(self.drawn_agents(experience, picked), self._setup.spec.num_agents)
        actions = tf.where(replaced[:, None, :, None] > 0, drawn.actions, logged)
        return Draws(actions, tf.reduce_sum(replaced[:, None] * drawn.log_density, axis=-1))

    def drawn_agents(self, experience: trajectory.Transition, picked: PickedRows) -> tf.Tensor:
        """(R,) int32: the agent that each row is about, drawn with chance lambda."""
        logits = picked.of_all(tf.math.log(self.shares(experience, picked.rows)))
        drawn = tf.random.stateless_categorical(logits, 1, self.draw_seed("agents"), tf.int32)
        return picked.own(tf.squeeze(drawn, axis=-1))

    def shares(self, experience: trajectory.Transition, rows: tf.Tensor) -> tf.Tensor:
        """(R, N) lambda; no gradient flows."""
        spec, config = self._setup.spec, self._setup.config
        seen = self.seen_in(experience, rows)
        policy, _ = self._actor(seen)
        logged = tf.gather(experience.action_step.action, rows)
        apart = to_unit(spec, policy) - to_unit(spec, logged)
        divergence = tf.reduce_sum(tf.square(apart), axis=-1) / (2.0 * config.cql_sigma**2)
        alive = seen["agent_mask"] > 0
        logits = tf.where(alive, config.cfcql_temperature * divergence, ILLEGAL_LOGIT)
        return tf.stop_gradient(tf.nn.softmax(logits))
