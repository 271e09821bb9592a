"""The actor that all agents share, as a TF-Agents network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.agents.team_network import TeamNetwork
from logo_tf.agents.units import from_unit
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


class SharedLayers(NamedTuple):
    """The layers that all agents share, (kernel, bias) each, and what is an agent's own.

    agents: mean (N, O) and standard deviation (N, O) of the observations and what is added
    to the first layer's bias (N, W); hidden: a relu after each; gru: None without a memory;
    output: what gives the A values before tanh or argmax.
    """

    agents: tuple[np.ndarray, np.ndarray, np.ndarray]
    hidden: list[tuple[np.ndarray, np.ndarray]]
    gru: Gru | None
    output: tuple[np.ndarray, np.ndarray]


class TeamActor(TeamNetwork):
    """One decentralised policy for every agent: agent i acts on its own observation alone.

    Continuous: a_i = centre_i + half_i * tanh(f(o_i, i)), within each agent's bounds, and
    exactly 0 where an action dimension is padded. Discrete: logits or values, at
    ``ILLEGAL_LOGIT`` where an action is illegal or padded.
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
        """Build the layers; arguments as ``TeamNetwork``'s."""
        super().__init__(
            spec,
            spec.action_dim,
            width,
            depth,
            seed,
            observation_mean,
            observation_std,
            memory,
            name,
        )

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

    def mask(self, outputs: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
        """``outputs`` (..., N, A), at ``ILLEGAL_LOGIT`` where illegal or padded."""
        legal = legal_actions & tf.constant(self._spec.action_mask > 0)
        return tf.where(legal, outputs, ILLEGAL_LOGIT)

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
        return AgentLayers(hidden, self._gru(), output)

    def shared_layers(self) -> SharedLayers:
        """Return the layers of all agents, and what tells agents apart."""
        *hidden, output = [
            (layer.kernel.numpy(), layer.bias.numpy()) for layer in (*self._hidden, self._output)
        ]
        own = self._mean.numpy(), self._std.numpy(), self._agent_bias.numpy()
        return SharedLayers(own, hidden, self._gru(), output)

    def _gru(self) -> Gru | None:
        if self._cell is None:
            return None
        return Gru(*(weight.numpy() for weight in self._cell.trainable_variables))
