"""A served world model where a local one would stand: in rollouts and planners."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.serving.client import Client
from logo_tf.serving.status import ServingError
from logo_tf.serving.world_model_client import WorldModelClient
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.protocol import Prediction, prediction_spec


class RemoteWorldModel:
    """A ``Simulator`` on a server: ``make_imagine`` and ``planner_of`` take it.

    It predicts and it remembers; its weights stay where they are, so it is no ``WorldModel``: it
    cannot be trained, judged or exported. A step is a request, inside of a graph too, where it
    cannot be differentiated; a rollout whose actions are known beforehand is one request with
    ``WorldModelClient.imagine``.

    Served models read who lives from the observations, so those of the dead are sent as zeros;
    a living agent that sees nothing but zeros counts as dead in scenarios that have a no-op.
    A graph that waits for an answer holds one of TensorFlow's threads, so a server of the same
    process needs another (``TF_NUM_INTEROP_THREADS``).

    Attributes:
      spec: the scenario that it simulates.
      memory_dim, routes: as ``Simulator``.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        version: int | None = None,
        label: str | None = None,
        most_rows: int = 256,
    ) -> None:
        """Ask what it is; arguments and errors as ``WorldModelClient``."""
        self._model = WorldModelClient(client, name, version, label, most_rows)
        self.spec: ScenarioSpec = self._model.spec
        self.memory_dim = self._model.memory_dim
        self.routes = self._model.routes
        self._failed: ServingError | LogoError | None = None
        # A client is of one thread at a time, and TensorFlow runs graphs on several.
        self._alone = threading.Lock()

    def step(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
    ) -> Prediction:
        """Predict one step; see ``Simulator.step``.

        Raises:
          LogoError, ServingError: as ``WorldModelClient.step``; inside of a graph see ``errors``.
        """

        def ask(*given: np.ndarray) -> list[np.ndarray]:
            steps, after = self._model.step_on(*given)
            return [
                steps.next_observations,
                steps.next_observations_std,
                steps.next_state,
                steps.next_state_std,
                steps.reward,
                steps.reward_std,
                steps.termination,
                steps.legal_actions,
                steps.uncertainty,
                after,
            ]

        if memory is None:
            memory = tf.zeros((tf.shape(state)[0], self.spec.num_agents, self.memory_dim))
        specs = prediction_spec(self.spec, self.memory_dim)
        given = self._given(state, observations, actions, agent_mask, memory)
        return Prediction(*self._asked(ask, given, list(specs)))

    def observe(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """Take in a real row; see ``Simulator.observe``. Nothing is asked without a memory."""
        if not self.memory_dim:
            return memory
        given = self._given(state, observations, actions, agent_mask, memory)
        after = prediction_spec(self.spec, self.memory_dim).memory
        return self._asked(self._model.observe, given, after)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Raise what went wrong with a request as it was.

        TensorFlow turns whatever is raised inside of a graph function into an error of its own.
        Within this context a call of such a function raises as a plain call of ``step`` would.

        Raises:
          LogoError, ServingError: as ``WorldModelClient.step``.
        """
        self._failed = None
        try:
            yield
        except tf.errors.OpError:
            if self._failed is None:
                raise
            raise self._failed from None

    def _given(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> list[tf.Tensor]:
        """As ``WorldModelClient.step_on`` takes it."""
        mask = tf.convert_to_tensor(agent_mask)[..., None]
        return [observations * mask, state, actions, memory]

    def _asked(self, ask: Callable[..., Any], given: list[tf.Tensor], answers: Any) -> Any:
        """Ask in Python, whenever the graph gets here; ``answers``: their specs without axis B."""

        def call(*arrays: np.ndarray) -> Any:
            try:
                with self._alone:
                    return ask(*arrays)
            except (LogoError, ServingError) as error:
                self._failed = error
                raise

        specs = tf.nest.flatten(answers)
        found = tf.numpy_function(
            call, given, tf.nest.map_structure(lambda one: one.dtype, answers)
        )
        rows = given[0].shape[0]  # None where the graph takes any number
        shaped = [
            tf.ensure_shape(value, (rows, *one.shape))
            for value, one in zip(tf.nest.flatten(found), specs, strict=True)
        ]
        return tf.nest.pack_sequence_as(answers, shaped)
