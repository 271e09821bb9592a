"""The actor that all agents share and the central critics, as TF-Agents networks (tf_keras)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_agents.networks import network
from tf_agents.typing import types

from logo_tf.agents.experience import policy_observation_spec
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec

_NORM_EPSILON = 1e-5
# Far below any logit that training reaches, and finite, so that a softmax over an agent
# without a legal action stays finite too.
ILLEGAL_LOGIT = -1e9


class LayerNorm(tf_keras.layers.Layer):
    """Layer normalisation over the last axis, with gain and bias (Ba et al. 2016).

    In plain ops: on a CPU a third faster here than the fused one of tf_keras, which
    reshapes to a batch normalisation.
    """

    def build(self, input_shape: Any) -> None:
        """Create gain (W,) and bias (W,)."""
        width = input_shape[-1]
        self.gain = self.add_weight(name="gain", shape=(width,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """(..., W) -> (..., W)."""
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + _NORM_EPSILON) * self.gain + self.bias


class TeamActor(network.Network):
    """One decentralised policy for every agent: agent i acts on its own observation alone.

    The N agents share all weights but the rows of the first kernel that a one-hot agent id
    would meet, kept as one bias per agent (N, W). All agents are one matrix product.

    Continuous: a_i = centre_i + half_i * tanh(f(o_i, i)), within each agent's bounds, and
    exactly 0 where an action dimension is padded. Discrete: logits, at ``ILLEGAL_LOGIT``
    where an action is illegal or padded.

    Weights that never train: the mean and standard deviation of the observations, so that
    the network takes raw ones and a restored network needs nothing else.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        width: int,
        depth: int,
        seed: int,
        observation_mean: np.ndarray | None = None,
        observation_std: np.ndarray | None = None,
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
          name: the network's name.
        """
        super().__init__(input_tensor_spec=policy_observation_spec(spec), name=name)
        shape = (spec.num_agents, spec.observation_dim)
        self._mean = _constant(self, "observation_mean", shape, observation_mean, 0.0)
        self._std = _constant(self, "observation_std", shape, observation_std, 1.0)
        self._spec = spec
        self._agent_bias = self.add_weight(
            name="agent_bias",
            shape=(spec.num_agents, width),
            initializer=_kernel_initializer(derive(seed, "agent"), spec.observation_dim),
        )
        self._hidden = [_dense(width, derive(seed, "hidden", i)) for i in range(depth)]
        self._output = _dense(spec.action_dim, derive(seed, "output"))

    def call(
        self,
        observation: dict[str, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return joint actions (B, N, A) within the bounds, or masked logits (B, N, A)."""
        del step_type, training
        outputs = self.outputs(observation["observations"])
        if self._spec.discrete:
            legal = observation["legal_actions"] & tf.constant(self._spec.action_mask > 0)
            return tf.where(legal, outputs, ILLEGAL_LOGIT), network_state
        return from_unit(self._spec, tf.tanh(outputs)), network_state

    def outputs(self, observations: tf.Tensor) -> tf.Tensor:
        """What stands before the tanh or the mask: (B, N, O) -> (B, N, A)."""
        n, o, a = self._spec.num_agents, self._spec.observation_dim, self._spec.action_dim
        mask = tf.constant(self._spec.observation_mask)
        standard = (observations - self._mean) / self._std * mask
        hidden = self._hidden[0](tf.reshape(standard, (-1, o)))
        hidden = tf.reshape(hidden, (-1, n, hidden.shape[-1])) + self._agent_bias
        hidden = tf.nn.relu(tf.reshape(hidden, (-1, hidden.shape[-1])))
        for layer in self._hidden[1:]:
            hidden = tf.nn.relu(layer(hidden))
        return tf.reshape(self._output(hidden), (-1, n, a))

    def agent_layers(self, index: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return agent i's own layers, (kernel, bias) each, standardisation folded in.

        Between them stands a relu; the first takes the raw observation (O_i,), the last
        gives the A_i values before tanh or argmax.
        """
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
        return [(kernel.astype(np.float32), bias.astype(np.float32)) for kernel, bias in layers]


class TwinCritic(network.Network):
    """Two central critics Q_1, Q_2 (s, joint action), trained side by side (Fujimoto et al. 2018).

    Layer normalisation before each relu bounds how far a critic can extrapolate beyond
    the data (Ball et al. 2023); in the project's measurements it mattered most.

    Weights that never train: the mean and standard deviation of the state.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        width: int,
        depth: int,
        norm: str,
        seed: int,
        state_mean: np.ndarray | None = None,
        state_std: np.ndarray | None = None,
        name: str = "TwinCritic",
    ) -> None:
        """Build the layers.

        Args:
          spec: the scenario spec; actions must be continuous.
          width: of the hidden layers.
          depth: how many hidden layers, at least 1.
          norm: ``layer`` or ``none``.
          seed: fixes the initial weights.
          state_mean: (S,); None is zeros.
          state_std: (S,), positive; None is ones.
          name: the network's name.
        """
        state = tf.TensorSpec((spec.state_dim,), tf.float32)
        actions = tf.TensorSpec(spec.action_shape, tf.float32)
        super().__init__(input_tensor_spec=(state, actions), name=name)
        self._mean = _constant(self, "state_mean", (spec.state_dim,), state_mean, 0.0)
        self._std = _constant(self, "state_std", (spec.state_dim,), state_std, 1.0)
        self._spec = spec
        self._members = [_mlp(width, depth, norm, derive(seed, "critic", e)) for e in range(2)]

    def call(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return Q (B, 2) of the states (B, S) and joint actions (B, N, A)."""
        del step_type, training
        joint = self._joint(*inputs)
        return tf.concat([member(joint) for member in self._members], axis=-1), network_state

    def first(self, state: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Q_1 alone, (B,), which is what the actor climbs: half the work."""
        return tf.squeeze(self._members[0](self._joint(state, actions)), axis=-1)

    def _joint(self, state: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        width = self._spec.num_agents * self._spec.action_dim
        unit = tf.reshape(to_unit(self._spec, actions), (-1, width))
        return tf.concat([(state - self._mean) / self._std, unit], axis=-1)


def to_unit(spec: ScenarioSpec, actions: tf.Tensor) -> tf.Tensor:
    """Raw joint actions (..., N, A) -> units in which the bounds are -1 and 1; 0 where padded."""
    centre, half = action_range(spec)
    scale = np.divide(1.0, half, out=np.zeros_like(half), where=half > 0)
    return (actions - centre) * scale


def from_unit(spec: ScenarioSpec, actions: tf.Tensor) -> tf.Tensor:
    """The inverse of ``to_unit``: raw joint actions (..., N, A), 0 where padded."""
    centre, half = action_range(spec)
    return centre + half * actions


def action_range(spec: ScenarioSpec) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half width of each action dimension's bounds, (N, A) each, 0 where padded."""
    low = np.asarray(spec.action_low, np.float32)
    high = np.asarray(spec.action_high, np.float32)
    return (high + low) / 2 * spec.action_mask, (high - low) / 2 * spec.action_mask


def _mlp(width: int, depth: int, norm: str, seed: int) -> tf_keras.Sequential:
    layers: list[tf_keras.layers.Layer] = []
    for i in range(depth):
        layers.append(_dense(width, derive(seed, i)))
        if norm == "layer":
            layers.append(LayerNorm())
        layers.append(tf_keras.layers.ReLU())
    return tf_keras.Sequential([*layers, _dense(1, derive(seed, "output"))])


def _dense(width: int, seed: int) -> tf_keras.layers.Dense:
    return tf_keras.layers.Dense(width, kernel_initializer=_kernel_initializer(seed))


def _kernel_initializer(seed: int, fan_in: int | None = None) -> types.Initializer:
    """Uniform within +-1/sqrt(fan in), the initialisation TD3's authors used."""
    if fan_in is None:
        return tf_keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=seed)
    return tf_keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5, seed=seed)


def _constant(
    layer: tf_keras.layers.Layer,
    name: str,
    shape: tuple[int, ...],
    value: np.ndarray | None,
    default: float,
) -> tf.Variable:
    filled = np.full(shape, default) if value is None else np.broadcast_to(value, shape)
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=tf_keras.initializers.Constant(np.asarray(filled, np.float32)),
        trainable=False,
    )
