"""Mixers: the team's value from those of its agents, as TF-Agents networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_agents.networks import network

from logo_tf.agents.layers import constant, dense
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec


class _Mixer(network.Network):
    """The team's value of a state (S,) and the agents' values (N,).

    Weights that never train: the mean and standard deviation of the state.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        state_mean: np.ndarray | None,
        state_std: np.ndarray | None,
        name: str,
    ) -> None:
        """Args: as the mixers'."""
        state = tf.TensorSpec((spec.state_dim,), tf.float32)
        values = tf.TensorSpec((spec.num_agents,), tf.float32)
        super().__init__(input_tensor_spec=(state, values), name=name)
        self._mean = constant(self, "state_mean", (spec.state_dim,), state_mean, 0.0)
        self._std = constant(self, "state_std", (spec.state_dim,), state_std, 1.0)

    def _known(self, state: tf.Tensor) -> tf.Tensor:
        """The state (..., S), standardised."""
        return (state - self._mean) / self._std


class MonotonicMixer(_Mixer):
    """Q_tot of the agents' values Q_i: one hidden layer whose weights depend on the state.

    ::

        Q_tot = elu(Q W_1(s) + b_1(s)) . w_2(s) + v(s),     W_1, w_2 >= 0

    As no weight is negative, Q_tot never falls where a Q_i rises, so what each agent finds
    best by itself is best for the team.

    Reference: Rashid et al., "QMIX", 2018.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        width: int,
        hyper_width: int,
        seed: int,
        state_mean: np.ndarray | None = None,
        state_std: np.ndarray | None = None,
        name: str = "MonotonicMixer",
    ) -> None:
        """Build the layers.

        Args:
          spec: the scenario spec.
          width: E, units of the hidden layer.
          hyper_width: units of the layer by which the state chooses W_1 and w_2.
          seed: fixes the initial weights.
          state_mean: (S,); None is zeros.
          state_std: (S,), positive; None is ones.
          name: the network's name.
        """
        super().__init__(spec, state_mean, state_std, name)
        self._shape = (-1, spec.num_agents, width)

        def chosen(units: int, hidden: int, purpose: str) -> tf_keras.Sequential:
            return tf_keras.Sequential(
                [
                    dense(hidden, derive(seed, purpose, "hidden")),
                    tf_keras.layers.ReLU(),
                    dense(units, derive(seed, purpose)),
                ]
            )

        self._first = chosen(spec.num_agents * width, hyper_width, "W_1")
        self._first_bias = dense(width, derive(seed, "b_1"))
        self._second = chosen(width, hyper_width, "w_2")
        self._value = chosen(1, width, "v")

    def call(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return Q_tot (B,) of states (B, S) and the agents' values (B, N)."""
        del step_type, training
        state, values = inputs
        return tf.squeeze(self.mix(state, values[:, None]), axis=-1), network_state

    def mix(self, state: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Mix the values of M joint actions in each state: (B, S), (B, M, N) -> (B, M)."""
        known = self._known(state)
        first = tf.reshape(tf.abs(self._first(known)), self._shape)
        hidden = tf.nn.elu(values @ first + self._first_bias(known)[:, None])
        second = tf.abs(self._second(known))[:, :, None]
        return tf.squeeze(hidden @ second, axis=-1) + self._value(known)


class LinearMixer(_Mixer):
    """Q_tot = sum_i w_i(s) Q_i + b(s), w >= 0: how much each agent's value counts.

    References: Yang et al., "Believe What You See" (ICQ), 2021; Wang et al., "Offline
    Multi-Agent Reinforcement Learning with Implicit Global-to-Local Value Regularization"
    (OMIGA), 2023.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        width: int,
        seed: int,
        state_mean: np.ndarray | None = None,
        state_std: np.ndarray | None = None,
        name: str = "LinearMixer",
    ) -> None:
        """Build the layers.

        Args:
          spec: the scenario spec.
          width: units of the layer by which the state chooses w and b.
          seed: fixes the initial weights.
          state_mean: (S,); None is zeros.
          state_std: (S,), positive; None is ones.
          name: the network's name.
        """
        super().__init__(spec, state_mean, state_std, name)
        self._hidden = dense(width, derive(seed, "hidden"))
        self._weights = dense(spec.num_agents, derive(seed, "w"))
        self._bias = dense(1, derive(seed, "b"))

    def call(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return Q_tot (B,) of states (B, S) and the agents' values (B, N)."""
        del step_type, training
        state, values = inputs
        hidden = self._features(state)
        weighed = tf.reduce_sum(tf.abs(self._weights(hidden)) * values, axis=-1)
        return weighed + tf.squeeze(self._bias(hidden), axis=-1), network_state

    def weights_of(self, state: tf.Tensor) -> tf.Tensor:
        """w, (..., N), of states (..., S)."""
        return tf.abs(self._weights(self._features(state)))

    def _features(self, state: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self._hidden(self._known(state)))
