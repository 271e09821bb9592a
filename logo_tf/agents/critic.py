"""The central critics, as a TF-Agents network."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_agents.networks import network

from logo_tf.agents.layers import LayerNorm, constant, dense
from logo_tf.agents.units import to_unit
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec


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
        self._mean = constant(self, "state_mean", (spec.state_dim,), state_mean, 0.0)
        self._std = constant(self, "state_std", (spec.state_dim,), state_std, 1.0)
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


def _mlp(width: int, depth: int, norm: str, seed: int) -> tf_keras.Sequential:
    layers: list[tf_keras.layers.Layer] = []
    for i in range(depth):
        layers.append(dense(width, derive(seed, i)))
        if norm == "layer":
            layers.append(LayerNorm())
        layers.append(tf_keras.layers.ReLU())
    return tf_keras.Sequential([*layers, dense(1, derive(seed, "output"))])
