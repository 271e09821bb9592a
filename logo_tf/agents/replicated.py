"""An agent's step, taken by several replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import trajectory
from tf_agents.utils import common

from logo_tf.agents.offline_agent import OfflineAgent
from logo_tf.replicas import Replicas

Step = Callable[[trajectory.Transition], tf_agent.LossInfo]


def replicated(agent: OfflineAgent, replicas: Replicas, experience: Any) -> Step:
    """The graph of a step that trains an agent on a batch, with all other replicas.

    Args:
      agent: made in the scope of the replicas.
      replicas: who shares the batch; of one alone it is the graph of ``agent.train``.
      experience: specs of this worker's rows of it, which the step is called with.

    Returns:
      A function of the worker's rows that returns the losses of the whole batch.
    """
    # Traced once; the learner would trace it for each of its own uses.
    if replicas.count == 1:
        return common.function(agent.train)
    graph = common.function(_across(agent, agent.train, replicas))

    def step(experience: trajectory.Transition) -> tf_agent.LossInfo:
        with replicas.scope():
            return graph(experience)

    # Optimizers make their variables while it is traced, which needs the scope alone.
    with replicas.scope():
        graph.get_concrete_function(experience)
    return step


def _across(agent: OfflineAgent, train: Callable[..., Any], replicas: Replicas) -> Step:
    def step(experience: trajectory.Transition) -> tf_agent.LossInfo:
        if agent.improves_every == 1:
            return replicas.run(train, experience)

        def either(improves: bool) -> tf_agent.LossInfo:
            return replicas.run(lambda own: train(own, improves=improves), experience)

        improves = agent.train_step_counter % agent.improves_every == 0
        return tf.cond(improves, lambda: either(True), lambda: either(False))

    return step
