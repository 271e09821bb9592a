"""E_s, the one extra encoder: the next state straight from the state and the joint action."""

from __future__ import annotations

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Trunk, dense


class AuxiliaryEncoder(keras.Model):
    """E_s: (s, a) -> ŝ' - s. How far ŝ' is from the deduced s̄' is the uncertainty (Eq. 5)."""

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="auxiliary_encoder")
        self.trunk = Trunk(
            config.width, config.depth, config.activation, seeds.derive(seed, "trunk"), "trunk"
        )
        self.mean = dense(spec.state_dim, None, seeds.derive(seed, "mean"), "mean", scale=0.1)

    def call(self, state_action: tf.Tensor) -> tf.Tensor:
        """Predict (B, S + N*A) -> (B, S), the change of the state in standardised units."""
        return self.mean(self.trunk(state_action))
