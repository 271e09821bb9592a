"""The actor that all agents share, as a TF-Agents network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.networks import network

from logo_tf.agents.experience import policy_observation_spec
from logo_tf.agents.layers import constant, dense, gru_cell, kernel_initializer
from logo_tf.agents.units import from_unit
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec

# Far below any logit that training reaches, and finite, so that a softmax over an agent
# without a legal action stays finite too.
ILLEGAL_LOGIT = -1e9


class Gru(NamedTuple):
    """A GRU's weights, gates in the order update, reset, candidate (``tf_keras``'s).

    kernel: (W, 3 M); recurrent: (M, 3 M); bias: (2, 3 M), of the input and of the memory.
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


class AgentLayers(NamedTuple):
    """One agent's own layers, (kernel, bias) each.

    hidden: a relu after each; the first takes the raw observation (O_i,); gru: None
    without a memory; output: what gives the A_i values before tanh or argmax.
    """

    hidden: list[tuple[np.ndarray, np.ndarray]]
    gru: Gru | None
    output: tuple[np.ndarray, np.ndarray]


class TeamActor(network.Network):
    """One decentralised policy for every agent: agent i acts on its own observation alone.

    The N agents share all weights but the rows of the first kernel that a one-hot agent id
    would meet, kept as one bias per agent (N, W). All agents are one matrix product.

    Continuous: a_i = centre_i + half_i * tanh(f(o_i, i)), within each agent's bounds, and
    exactly 0 where an action dimension is padded. Discrete: logits or values, at
    ``ILLEGAL_LOGIT`` where an action is illegal or padded.

    With a memory, a GRU stands before the output layer, and f also takes what the agent
    itself remembers; its network state is that memory (N, M), zeros as an episode begins.

    Weights that never train: the mean and standard deviation of the observations, so that
    the network takes raw ones and a restored network needs nothing else.

    Attributes:
      memory_dim: M, 0 without a memory.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        width: int,
        depth: int,
        seed: int,
        observation_mean: np.ndarray | None = None,
        observation_std: np.ndarray | None = None,
        memory: int = 0,
        name: str = "TeamActor",
    ) -> None:
        """Build the layers.

        Args:
          spec: the scenario spec.
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
        self._output = dense(spec.action_dim, derive(seed, "output"))

    def call(
        self,
        observation: dict[str, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return joint actions (B, N, A) within the bounds, or masked logits (B, N, A)."""
        del step_type, training
        outputs, network_state = self.outputs(observation["observations"], network_state)
        if self._spec.discrete:
            return self.mask(outputs, observation["legal_actions"]), network_state
        return from_unit(self._spec, tf.tanh(outputs)), network_state

    def outputs(self, observations: tf.Tensor, memory: Any = ()) -> tuple[tf.Tensor, Any]:
        """What stands before the tanh or the mask.

        Args:
          observations: (B, N, O).
          memory: (B, N, M), or () without one.

        Returns:
          (B, N, A), and the memory after that observation.
        """
        hidden, memory = self._remember(self._features(observations), memory)
        return self._output(hidden), memory

    def unroll(self, observations: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What stands before the mask, along windows that begin without a memory.

        Args:
          observations: (B, T, N, O).
          inside: (B, T), 1 on rows of the episode; others leave the memory as it is.

        Returns:
          (B, T, N, A), and the memory after each row, (B, T, N, M).
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

    def mask(self, outputs: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
        """``outputs`` (..., N, A), at ``ILLEGAL_LOGIT`` where illegal or padded."""
        legal = legal_actions & tf.constant(self._spec.action_mask > 0)
        return tf.where(legal, outputs, ILLEGAL_LOGIT)

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

    def agent_layers(self, index: int) -> AgentLayers:
        """Return agent i's own layers, standardisation folded in."""
        width_in, width_out = self._spec.observation_dims[index], self._spec.action_dims[index]
        layers = [
            (layer.kernel.numpy().astype(np.float64), layer.bias.numpy().astype(np.float64))
            for layer in (*self._hidden, self._output)
        ]
        scale = 1.0 / self._std.numpy()[index, :width_in].astype(np.float64)
        shift = -self._mean.numpy()[index, :width_in].astype(np.float64) * scale
        kernel = layers[0][0][:width_in]
        bias = layers[0][1] + self._agent_bias.numpy()[index] + shift @ kernel
        layers[0] = (scale[:, None] * kernel, bias)
        layers[-1] = (layers[-1][0][:, :width_out], layers[-1][1][:width_out])
        *hidden, output = [(k.astype(np.float32), b.astype(np.float32)) for k, b in layers]
        gru = None
        if self._cell is not None:
            gru = Gru(*(weight.numpy() for weight in self._cell.trainable_variables))
        return AgentLayers(hidden, gru, output)
