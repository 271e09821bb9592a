"""The deductive module: the global state and reward from the local predictions (Eq. 3)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Heads, Trunk, dense


class DeductiveOutput(NamedTuple):
    """What E_d deduces, in standardised units.

    state: (B, S) s̄' - s (or s̄' where E_d is not shown s); reward: (B,);
    termination_logit: (B,); state_log_variance: (B, S); reward_log_variance: (B,).
    """

    state: tf.Tensor
    reward: tf.Tensor
    termination_logit: tf.Tensor
    state_log_variance: tf.Tensor
    reward_log_variance: tf.Tensor


class DeductiveEncoder(keras.Model):
    """E_d, the global aggregator: all agents' o' [, s, a] -> s', r and whether it ends."""

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="deductive_encoder")
        self._state_dim = s = spec.state_dim
        self.heads = Heads(
            config.width, config.depth, config.activation, s + 2, s + 1, seed, "heads"
        )

    def call(self, inputs: tf.Tensor) -> DeductiveOutput:
        """Deduce from (B, N*O) or (B, N*O + S + N*A)."""
        s = self._state_dim
        mean, spread = self.heads(inputs)
        return DeductiveOutput(mean[:, :s], mean[:, s], mean[:, s + 1], spread[:, :s], spread[:, s])


class DeductiveDecoder(keras.Model):
    """D_d: s̄' -> all agents' o'."""

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="deductive_decoder")
        width = max(8, round(config.width * config.logo.decoder_share))
        self._shape = (-1, spec.num_agents, spec.observation_dim)
        self.trunk = Trunk(width, 1, config.activation, seeds.derive(seed, "trunk"), "trunk")
        outputs = spec.num_agents * spec.observation_dim
        self.mean = dense(outputs, None, seeds.derive(seed, "mean"), "mean")

    def call(self, state: tf.Tensor) -> tf.Tensor:
        """Decode (B, S) -> (B, N, O), standardised."""
        return tf.reshape(self.mean(self.trunk(state)), self._shape)
