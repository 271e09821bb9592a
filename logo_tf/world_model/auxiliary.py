"""E_s, the one extra encoder: the next state straight from the state and the joint action."""

from __future__ import annotations

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Trunk, dense


class AuxiliaryEncoder(keras.Model):
    """E_s: (s, a) -> ŝ' - s. How far ŝ' is from the deduced s̄' is the uncertainty (Eq. 5).

    In the ``shared`` reading it goes on from E_p's trunk over (s, a), so that the one
    extra encoder costs one layer; its loss trains that trunk too.
    """

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="auxiliary_encoder")
        depth = 0 if config.logo.auxiliary == "shared" else config.depth
        self.trunk = Trunk(
            config.width, depth, config.activation, seeds.derive(seed, "trunk"), "trunk"
        )
        self.mean = dense(spec.state_dim, None, seeds.derive(seed, "mean"), "mean", scale=0.1)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Predict the change of the state (B, S), standardised, from (B, S + N*A) or (B, W)."""
        return self.mean(self.trunk(inputs))
