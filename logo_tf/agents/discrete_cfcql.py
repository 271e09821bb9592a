"""Discrete CFCQL: values held down for one agent at a time, the others as logged."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.losses import cross_entropy, masked_mean
from logo_tf.agents.offline_agent import AgentSetup, build_actor
from logo_tf.agents.qmix import Conservatism, QMIXAgent, Values
from logo_tf.agents.value_agent import of_actions


class DiscreteCFCQLAgent(QMIXAgent):
    """QMIX with a conservative term of counterfactual actions.

    With Q_i(b) = Q_tot(s, b, a^-i), agent i's action replaced by b and the others' logged::

        gap = mean ( sum_i lambda_i log sum_b exp Q_i(b) - Q_tot(s, a) )       b legal
        lambda = softmax_i ( cfcql_temperature * KL( softmax_b Q_i(b) || beta_i ) )
        L = mean (Q_tot(s, a) - G)^2 + cql_alpha * gap + behaviour cloning of beta

    Unlike a term over joint actions, its strength does not grow with the number of agents.
    No gradient flows through lambda. beta, the behaviour, is cloned alongside by a network
    of the actor's form, where the paper's code clones it beforehand. With ``cql_rows``
    "imagined" the gap's first part is over imagined rows and its second over real ones.

    Reference: Shao et al., "Counterfactual Conservative Q Learning for Offline Multi-agent
    Reinforcement Learning", 2023. Hyper-parameters: ``cql_alpha``, ``cql_rows``,
    ``cfcql_temperature``, and those of ``QMIXAgent``.
    """

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of discrete actions."""
        super().__init__(setup)
        self._behaviour = build_actor(setup, "behaviour")

    @property
    def trained(self) -> tuple[network.Network, ...]:
        """QMIX's, and the behaviour."""
        return (*super().trained, self._behaviour)

    def conservative(
        self, experience: trajectory.Transition, values: Values, counts: tf.Tensor
    ) -> Conservatism:
        """The gap, and the loss of cloning real rows."""
        seen, info = experience.time_step.observation, experience.action_step.info
        logits, _ = self._behaviour.unroll(seen["observations"], info["inside"])
        logits = self._behaviour.mask(logits, seen["legal_actions"])
        real = counts * (1.0 - info["synthetic"])
        cloning = cross_entropy(
            logits, experience.action_step.action, real[..., None] * seen["agent_mask"]
        )
        q = self.counterfactual(experience, values)
        log_behaviour = tf.nn.log_softmax(logits)
        log_policy = tf.nn.log_softmax(q)
        divergence = tf.reduce_sum(tf.exp(log_policy) * (log_policy - log_behaviour), axis=-1)
        share = tf.nn.softmax(self._setup.config.cfcql_temperature * divergence)
        best = tf.reduce_sum(tf.stop_gradient(share) * tf.reduce_logsumexp(q, axis=-1), axis=-1)
        held = self.held_rows(experience, counts)
        gap = masked_mean(best, held.down) - masked_mean(values.q, held.up)
        return Conservatism(gap, cloning)

    def counterfactual(self, experience: trajectory.Transition, values: Values) -> tf.Tensor:
        """(B, T, N, A): Q_tot if agent i had done b, at ``ILLEGAL_LOGIT`` where it could not."""
        n, a = self._setup.spec.num_agents, self._setup.spec.action_dim
        seen, actions = experience.time_step.observation, experience.action_step.action
        logged = of_actions(values.utilities, actions)
        # (B, T, N, A, N): in i's row, b's column, agent i's value is that of b.
        own = tf.eye(n)[:, None, :]
        replaced = own * values.utilities[..., None]
        joint = replaced + (1.0 - own) * logged[:, :, None, None, :]
        state = tf.reshape(seen["state"], (-1, seen["state"].shape[-1]))
        q = self._mixer.mix(state, tf.reshape(joint, (-1, n * a, n)))
        return self._actor.mask(tf.reshape(q, tf.shape(values.utilities)), seen["legal_actions"])
