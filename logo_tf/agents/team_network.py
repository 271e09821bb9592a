"""A network that all agents share, each looking at its own observation alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.networks import network

from logo_tf.agents.experience import policy_observation_spec
from logo_tf.agents.layers import constant, dense, gru_cell, kernel_initializer
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec


class TeamNetwork(network.Network):
    """U values for every agent, of its own observation: (B, N, O) -> (B, N, U).

    The N agents share all weights but the rows of the first kernel that a one-hot agent id
    would meet, kept as one bias per agent (N, W). All agents are one matrix product.

    With a memory, a GRU stands before the output layer, and an agent's values also depend on
    what it remembers; the network state is that memory (N, M), zeros as an episode begins.

    Weights that never train: the mean and standard deviation of the observations, so that
    the network takes raw ones and a restored network needs nothing else.

    Attributes:
      memory_dim: M, 0 without a memory.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        units: int,
        width: int,
        depth: int,
        seed: int,
        observation_mean: np.ndarray | None = None,
        observation_std: np.ndarray | None = None,
        memory: int = 0,
        name: str = "TeamNetwork",
    ) -> None:
        """Build the layers.

        Args:
          spec: the scenario spec.
          units: U.
          width: W, of the hidden layers.
          depth: how many hidden layers, at least 1.
          seed: fixes the initial weights.
          observation_mean: (N, O); None is zeros.
          observation_std: (N, O), positive; None is ones.
          memory: M, units of the GRU; 0 is none.
          name: the network's name.
        """
        remembers = tf.TensorSpec((spec.num_agents, memory), tf.float32, "memory")
        super().__init__(
            input_tensor_spec=policy_observation_spec(spec),
            state_spec=remembers if memory else (),
            name=name,
        )
        shape = (spec.num_agents, spec.observation_dim)
        self._mean = constant(self, "observation_mean", shape, observation_mean, 0.0)
        self._std = constant(self, "observation_std", shape, observation_std, 1.0)
        self._spec = spec
        self.memory_dim = memory
        self._agent_bias = self.add_weight(
            name="agent_bias",
            shape=(spec.num_agents, width),
            initializer=kernel_initializer(derive(seed, "agent"), spec.observation_dim),
        )
        self._hidden = [dense(width, derive(seed, "hidden", i)) for i in range(depth)]
        self._cell = gru_cell(memory, derive(seed, "memory")) if memory else None
        self._output = dense(units, derive(seed, "output"))

    def call(
        self,
        observation: dict[str, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return (B, N, U) and the memory after that observation."""
        del step_type, training
        return self.outputs(observation["observations"], network_state)

    def outputs(self, observations: tf.Tensor, memory: Any = ()) -> tuple[tf.Tensor, Any]:
        """The output layer's values for one row.

        Args:
          observations: (B, N, O).
          memory: (B, N, M), or () without one.

        Returns:
          (B, N, U), and the memory after that observation.
        """
        hidden, memory = self._remember(self._features(observations), memory)
        return self._output(hidden), memory

    def unroll(self, observations: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Its values along windows that begin without a memory.

        Args:
          observations: (B, T, N, O).
          inside: (B, T), 1 on rows of the episode; others leave the memory as it is.

        Returns:
          (B, T, N, U), and the memory after each row, (B, T, N, M).
        """
        n, o = self._spec.num_agents, self._spec.observation_dim
        length = observations.shape[1]
        features = self._features(tf.reshape(observations, (-1, n, o)))
        features = tf.reshape(features, (-1, length, n, features.shape[-1]))
        memory = tf.zeros((tf.shape(observations)[0], n, self.memory_dim))
        hidden, memories = [], []
        for t in range(length):
            now, after = self._remember(features[:, t], memory)
            memory = tf.where(inside[:, t, None, None] > 0, after, memory)
            hidden.append(now)
            memories.append(memory)
        return self._output(tf.stack(hidden, axis=1)), tf.stack(memories, axis=1)

    def _features(self, observations: tf.Tensor) -> tf.Tensor:
        """What the hidden layers make of (B, N, O): (B, N, W)."""
        n, o = self._spec.num_agents, self._spec.observation_dim
        mask = tf.constant(self._spec.observation_mask)
        standard = (observations - self._mean) / self._std * mask
        hidden = self._hidden[0](tf.reshape(standard, (-1, o)))
        hidden = tf.reshape(hidden, (-1, n, hidden.shape[-1])) + self._agent_bias
        hidden = tf.nn.relu(tf.reshape(hidden, (-1, hidden.shape[-1])))
        for layer in self._hidden[1:]:
            hidden = tf.nn.relu(layer(hidden))
        return tf.reshape(hidden, (-1, n, hidden.shape[-1]))

    def _remember(self, features: tf.Tensor, memory: Any) -> tuple[tf.Tensor, Any]:
        """(B, N, W) -> what the output layer is given, and the memory."""
        if self._cell is None:
            return features, memory
        n = self._spec.num_agents
        flat = tf.reshape(features, (-1, features.shape[-1]))
        hidden, _ = self._cell(flat, [tf.reshape(memory, (-1, self.memory_dim))])
        after = tf.reshape(hidden, (-1, n, self.memory_dim))
        return after, after
