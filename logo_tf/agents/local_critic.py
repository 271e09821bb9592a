"""The value of every agent's own action where actions are vectors, as a TF-Agents network."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.networks import network

from logo_tf.agents.experience import policy_observation_spec
from logo_tf.agents.layers import dense
from logo_tf.agents.team_network import TeamNetwork
from logo_tf.agents.units import to_unit
from logo_tf.seeds import derive
from logo_tf.specs import ScenarioSpec


class LocalCritic(network.Network):
    """Q_i(o_i, a_i) for every agent: (B, N, O) and (B, N, A) -> (B, N).

    ::

        Q_i = w . relu( f(o_i, i) + V u_i ) + b,     f a ``TeamNetwork``, u_i in units of the bounds

    The action joins after the memory, if there is one, so that an agent's memory is of what
    it saw alone, and the values of several actions in one place share the work up to there.
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
        name: str = "LocalCritic",
    ) -> None:
        """Build the layers; arguments as ``TeamNetwork``'s, of continuous actions."""
        trunk = TeamNetwork(
            spec, width, width, depth, seed, observation_mean, observation_std, memory
        )
        actions = tf.TensorSpec(spec.action_shape, tf.float32)
        super().__init__(
            input_tensor_spec=(policy_observation_spec(spec), actions),
            state_spec=trunk.state_spec,
            name=name,
        )
        self._spec = spec
        self._trunk = trunk
        self._action = dense(width, derive(seed, "action"))
        self._value = dense(1, derive(seed, "value"))

    def call(
        self,
        inputs: tuple[dict[str, tf.Tensor], tf.Tensor],
        step_type: Any = (),
        network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return (B, N) and the memory after that observation."""
        del step_type, training
        observation, actions = inputs
        features, network_state = self._trunk(observation, network_state=network_state)
        return self.values(features, actions), network_state

    def outputs(self, observations: tf.Tensor, memory: Any = ()) -> tuple[tf.Tensor, Any]:
        """Features (B, N, W) of one row, and the memory: see ``TeamNetwork.outputs``."""
        return self._trunk.outputs(observations, memory)

    def unroll(self, observations: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Features (B, T, N, W) along windows, and the memory: see ``TeamNetwork.unroll``."""
        return self._trunk.unroll(observations, inside)

    def values(self, features: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """(..., N) Q_i of features (..., N, W) and actions (..., N, A) in raw units."""
        joined = tf.nn.relu(features + self._action(to_unit(self._spec, actions)))
        return tf.squeeze(self._value(joined), axis=-1)
