"""An agent's step, taken by several replicas."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import trajectory

from logo_tf.agents.offline_agent import OfflineAgent
from logo_tf.replicas import Replicas

Step = Callable[[trajectory.Transition], tf_agent.LossInfo]


def replicated(agent: OfflineAgent, replicas: Replicas) -> Step:
    """The step that trains an agent on this worker's rows of a batch, with all other replicas.

    It is for inside of a graph; the losses that it returns are those of the whole batch.
    A single replica trains by ``agent.train`` itself.
    """
    train = agent.train
    if replicas.count == 1:
        return train

    def step(experience: trajectory.Transition) -> tf_agent.LossInfo:
        if agent.improves_every == 1:
            return replicas.run(train, experience)

        def either(improves: bool) -> tf_agent.LossInfo:
            return replicas.run(lambda own: train(own, improves=improves), experience)

        improves = agent.train_step_counter % agent.improves_every == 0
        return tf.cond(improves, lambda: either(True), lambda: either(False))

    return step
