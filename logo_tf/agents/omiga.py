"""OMIGA: a team's regularised value, split into local ones that are learned in sample."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.networks import network
from tf_agents.trajectories import trajectory

from logo_tf.agents.in_sample import InSampleAgent
from logo_tf.agents.losses import masked_mean
from logo_tf.agents.offline_agent import AgentSetup, build_team_network
from logo_tf.agents.value_agent import ValueInfo, ahead, mixed

# z beyond which exp(z) goes on along its tangent in L_V, and is cut as a weight of cloning:
# at most 150, so that one row cannot own a batch.
_LARGEST = 5.0


class OMIGAAgent(InSampleAgent):
    """Implicit global-to-local value regularisation.

    With a the logged joint actions, w(s) >= 0 and b(s) the mixer's, primes the targets::

        z_i  = w'_i(s) (Q'_i(o^i, a^i) - V_i(o^i)) / omiga_alpha
        L_V  = mean exp(z_i) + w'_i(s) V_i(o^i) / omiga_alpha
        y    = r + gamma d ( sum_i w'_i(s') V_i(o'^i) + b'(s') )
        L_Q  = mean ( sum_i w_i(s) Q_i(o^i, a^i) + b(s) - y )^2
        L_pi = -mean exp(z_i) log pi(a^i | o^i)

    Only logged actions are ever valued, and L_V makes V_i a soft maximum over those. Beyond
    z = 5 exp goes on along its tangent in L_V and is cut in L_pi. No gradient flows into y
    or pi's weights.

    Reference: Wang et al., "Offline Multi-Agent Reinforcement Learning with Implicit
    Global-to-Local Value Regularization", 2023. For vectors its Gaussian also learns how
    wide it is, where ``Vectors``'s is fixed, as the actor has no width. The authors' alpha
    there is 10, or 1 for medium HalfCheetah, of rewards as they are; here they are scaled.
    Hyper-parameters: ``omiga_alpha``, and those of ``InSampleAgent``.
    """

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of either action kind."""
        super().__init__(setup)
        self._values = build_team_network(setup, 1, "values")

    @property
    def networks(self) -> dict[str, network.Network]:
        """The policy, the agents' values of actions and of places, and the mixer."""
        return {**super().networks, "values": self._values}

    def local_values(
        self, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """V_i, as in y."""
        del legal_actions
        values, memory = self._values.outputs(observations, memory)
        return values[..., 0], memory

    def value_terms(self, experience: trajectory.Transition, weights: Any) -> ValueInfo:
        """L_V + L_Q + L_pi, and what they are made of."""
        alpha = self._setup.config.omiga_alpha
        seen, after = experience.time_step.observation, experience.next_time_step.observation
        rows = self.counts(experience, weights)
        agents = rows[..., None] * seen["agent_mask"]

        values, memory = self._values.unroll(
            seen["observations"], experience.action_step.info["inside"]
        )
        values = values[..., 0]
        lagging = self._local.of_logged(self._target_utilities, experience)
        share = self._target_mixer.weights_of(seen["state"])
        z = share * (lagging - values) / alpha
        cut = tf.exp(tf.minimum(z, _LARGEST))
        soft = cut * (1.0 + tf.maximum(z - _LARGEST, 0.0))
        value_loss = masked_mean(soft + share * values / alpha, agents)

        following = ahead(self._values, after["observations"], memory)[..., 0]
        target = self.rewards(experience) + self.discounts(experience) * mixed(
            self._target_mixer, after["state"], following
        )
        chosen = self._local.of_logged(self._utilities, experience)
        q = mixed(self._mixer, seen["state"], chosen)
        errors = q - tf.stop_gradient(target)
        loss = masked_mean(tf.square(errors), rows)

        policy = self._local.policy(self._actor, experience)
        cloned = tf.stop_gradient(cut) * self._local.log_likelihood(policy, experience)
        actor_loss = -masked_mean(cloned, agents)
        return ValueInfo(
            critic_loss=value_loss + loss + actor_loss,
            td_error=masked_mean(tf.abs(errors), rows),
            q_data=masked_mean(q, rows),
            conservative=tf.zeros(()),
            actor_loss=actor_loss,
        )
