"""Behaviour cloning: the floor that every offline algorithm has to clear."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import trajectory

from logo_tf.agents.losses import cross_entropy, regression
from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent, adam, build_actor, improve
from logo_tf.agents.units import to_unit
from logo_tf.replicas import global_gradients


class BCInfo(NamedTuple):
    """cloning: the loss of imitating the data."""

    cloning: tf.Tensor


class BCAgent(OfflineAgent):
    """Behaviour cloning of every agent's logged action from its own observation.

    Continuous, with u the actions in units of their bounds::

        L = mean over living agents and real dimensions of (u_pi(o^i) - u^i)^2

    Discrete, the probability shared among legal actions only::

        L = mean over living agents of -log pi(a^i | o^i)

    Reference: Pomerleau, "ALVINN", 1989. Hyper-parameters: ``width`` and ``depth`` of the
    actor, ``actor_learning_rate``, ``batch_size``.
    """

    metric_names = BCInfo._fields

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of either action kind."""
        super().__init__(setup, build_actor(setup))
        self._optimizer = adam(setup.config.actor_learning_rate)

    def _train(self, experience: trajectory.Transition, weights: Any) -> tf_agent.LossInfo:
        variables = self._actor.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            info = self._loss(experience, weights, training=True)
        gradients = global_gradients(tape.gradient(info.loss, variables))
        improve(self._optimizer, gradients, variables)
        self.train_step_counter.assign_add(1)
        return info

    def _loss(
        self, experience: trajectory.Transition, weights: Any, training: bool
    ) -> tf_agent.LossInfo:
        del training
        spec = self._setup.spec
        agents = self._real_agents(experience, weights)
        outputs, _ = self._actor(experience.time_step.observation)
        logged = experience.action_step.action
        if spec.discrete:
            loss = cross_entropy(outputs, logged, agents)
        else:
            mask = agents[:, :, None] * spec.action_mask
            loss = regression(to_unit(spec, outputs), to_unit(spec, logged), mask)
        return tf_agent.LossInfo(loss, BCInfo(cloning=loss))
