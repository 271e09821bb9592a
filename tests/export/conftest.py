"""Small world models and policies with known weights, in Keras 3 as the real ones are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from logo_tf.artifacts import Manifest
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.protocol import Prediction


class FakeWorldModel(tf.Module):
    """Every output is one dense layer of everything that goes in; real rows are half forgotten."""

    def __init__(self, spec: ScenarioSpec, memory_dim: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.config = None
        self.memory_dim, self.routes = memory_dim, 1
        self.calibration = None
        n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
        legal, m = spec.legal_dim, memory_dim
        self._sizes = [n * o, n * o, s, s, 1, 1, 1, n * legal, 1, n * m]
        self._shapes = [(n, o), (n, o), (s,), (s,), (), (), (), (n, legal), (), (n, m)]
        layer = keras.layers.Dense(sum(self._sizes), activation="tanh")
        layer.build((None, n * o + n * spec.action_dim + s + n + n * m))
        rng = np.random.default_rng(3)
        layer.set_weights([rng.normal(size=w.shape) * 0.3 for w in layer.get_weights()])
        self._layer = layer

    def step(
        self, state: Any, observations: Any, actions: Any, agent_mask: Any, memory: Any = None
    ) -> Prediction:
        if self.spec.discrete:
            actions = tf.one_hot(actions, self.spec.action_dim)
        batch = tf.shape(state)[0]
        if memory is None:
            memory = tf.zeros((batch, self.spec.num_agents, self.memory_dim))
        given = (observations, actions, state, agent_mask, memory)
        flat = [tf.reshape(x, (batch, int(np.prod(x.shape[1:])))) for x in given]
        parts = tf.split(self._layer(tf.concat(flat, axis=-1)), self._sizes, axis=-1)
        shaped = [
            tf.reshape(x, (batch, *shape)) for x, shape in zip(parts, self._shapes, strict=True)
        ]
        return Prediction(*shaped)

    def observe(
        self, state: Any, observations: Any, actions: Any, agent_mask: Any, memory: Any
    ) -> tf.Tensor:
        return 0.5 * self.step(state, observations, actions, agent_mask, memory).memory


class FakePolicy:
    """Each agent has one dense layer: its action, or the scores of its choices."""

    def __init__(self, spec: ScenarioSpec) -> None:
        self.spec = spec
        self.manifest = Manifest(kind="policy", spec=spec.to_dict())
        self.layers = []
        rng = np.random.default_rng(4)
        for o, a in zip(spec.observation_dims, spec.action_dims, strict=True):
            layer = keras.layers.Dense(a, activation=None if spec.discrete else "tanh")
            layer.build((None, o))
            layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
            self.layers.append(layer)

    memory_dim = 0

    def agent_function(self, index: int) -> Callable[..., tuple[tf.Tensor, Any]]:
        """A copy that nobody else holds on to, as the real one is."""
        kernel, bias = (tf.Variable(w) for w in self.layers[index].get_weights())
        activation = self.layers[index].activation
        return lambda observations, memory: (activation(observations @ kernel + bias), memory)

    def shared_function(self) -> Callable[..., tuple[tf.Tensor, Any]]:
        """All agents' layers, padded and stacked."""
        spec = self.spec
        kernels = np.zeros((spec.num_agents, spec.observation_dim, spec.action_dim), np.float32)
        biases = np.zeros((spec.num_agents, spec.action_dim), np.float32)
        for i, layer in enumerate(self.layers):
            kernel, bias = layer.get_weights()
            kernels[i, : kernel.shape[0], : kernel.shape[1]] = kernel
            biases[i, : len(bias)] = bias
        kernels, biases = tf.Variable(kernels), tf.Variable(biases)
        activation = self.layers[0].activation

        def act(observations: Any, agent: Any, memory: Any) -> tuple[tf.Tensor, Any]:
            sums = tf.einsum("bo,boa->ba", observations, tf.gather(kernels, agent))
            return activation(sums + tf.gather(biases, agent)), memory

        return act

    def act_on(
        self,
        observations: np.ndarray,
        legal_actions: np.ndarray,
        memory: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """In NumPy, so that it shares no code with what is exported."""
        spec = self.spec
        actions = np.zeros((len(observations), *spec.action_shape), spec.action_dtype)
        for i, layer in enumerate(self.layers):
            kernel, bias = layer.get_weights()
            outputs = observations[:, i, : spec.observation_dims[i]] @ kernel + bias
            if spec.discrete:
                legal = legal_actions[:, i, : spec.action_dims[i]]
                actions[:, i] = np.where(legal, outputs, -np.inf).argmax(-1)
            else:
                actions[:, i, : spec.action_dims[i]] = np.tanh(outputs)
        return actions, memory


@pytest.fixture(scope="session")
def specs(continuous_spec: ScenarioSpec, discrete_spec: ScenarioSpec) -> dict[str, ScenarioSpec]:
    """The toy specs by action kind."""
    return {"continuous": continuous_spec, "discrete": discrete_spec}


@pytest.fixture(scope="session")
def world_models(specs: dict[str, ScenarioSpec]) -> dict[str, FakeWorldModel]:
    """A fake world model of each kind."""
    return {kind: FakeWorldModel(spec) for kind, spec in specs.items()}


@pytest.fixture
def policies(specs: dict[str, ScenarioSpec]) -> dict[str, FakePolicy]:
    """A fake policy of each kind."""
    return {kind: FakePolicy(spec) for kind, spec in specs.items()}
