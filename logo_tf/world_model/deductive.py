"""The deductive module: the global state and reward from the local predictions (Eq. 3)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Spread, Trunk, dense

# A distance in standardised units, about which that of two predictions tells the most. Far
# smaller, and rounding in the distance would show in the variance.
_TELLING = 0.1


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
        width, activation, derive = config.width, config.activation, seeds.derive
        self.trunk = Trunk(width, config.depth, activation, derive(seed, "trunk"), "trunk")
        self.mean = dense(s + 2, None, derive(seed, "mean"), "mean", scale=0.1)
        self.spread = Spread(width, s + 1, derive(seed, "spread"), "spread")

    def call(self, inputs: tf.Tensor, auxiliary: tf.Tensor, features: tf.Tensor) -> DeductiveOutput:
        """Deduce.

        Args:
          inputs: (B, N*O), or (B, N*O + S + N*A).
          auxiliary: (B, S) what E_s predicts of the state, in the same terms as what E_d
            does. Where the two differ one of them errs, which tells the variance, and
            nothing else, what to expect.
          features: (B, W) what E_p's trunk makes of (s, a), of which the variances are
            made: those of E_d's own trunk tell them less (NLL of s' -1.47 against -1.56 on
            3m, -.30 against -.53 on 8m, -1.66 against -1.71 on HalfCheetah-6x1).
        """
        s = self._state_dim
        mean = self.mean(self.trunk(inputs))
        gap = tf.math.log1p(tf.abs(auxiliary - mean[:, :s]) / _TELLING)
        spread = self.spread(tf.concat([features, gap], axis=-1))
        return DeductiveOutput(mean[:, :s], mean[:, s], mean[:, s + 1], spread[:, :s], spread[:, s])


class DeductiveDecoder(keras.Model):
    """D_d: s̄' -> all agents' o'. What agents see is often a part of the state: a linear one.

    Attributes:
      gate: (N, O) logits of how much to trust it rather than ô', where both are fused.
    """

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="deductive_decoder")
        width = max(8, round(config.width * config.logo.decoder_share))
        self._shape = (-1, spec.num_agents, spec.observation_dim)
        self.trunk = Trunk(width, 1, config.activation, seeds.derive(seed, "trunk"), "trunk")
        outputs = spec.num_agents * spec.observation_dim
        self.mean = dense(outputs, None, seeds.derive(seed, "mean"), "mean", scale=0.1)
        self.linear = dense(outputs, None, seeds.derive(seed, "linear"), "linear")
        self.gate = self.add_weight(shape=self._shape[1:], initializer="zeros", name="gate")

    def call(self, state: tf.Tensor) -> tf.Tensor:
        """Decode (B, S) -> (B, N, O), standardised."""
        return tf.reshape(self.linear(state) + self.mean(self.trunk(state)), self._shape)
