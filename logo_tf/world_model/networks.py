"""The multilayer perceptron that every part of a world model is made of."""

from __future__ import annotations

import keras

from logo_tf import seeds


class Trunk(keras.layers.Layer):
    """Hidden layers of one width: (B, F) -> (B, width)."""

    def __init__(self, width: int, depth: int, activation: str, seed: int, name: str) -> None:
        """Args: seed: fixes the initial weights, layer by layer."""
        super().__init__(name=name)
        self.hidden = [
            dense(width, activation, seeds.derive(seed, "hidden", i), f"hidden_{i}")
            for i in range(depth)
        ]

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Apply the layers in order."""
        for layer in self.hidden:
            inputs = layer(inputs)
        return inputs


def dense(
    units: int, activation: str | None, seed: int, name: str, scale: float = 1.0
) -> keras.layers.Dense:
    """A dense layer whose initial weights depend on the seed alone (Glorot, times ``scale``)."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(
            scale, mode="fan_avg", distribution="uniform", seed=seed
        ),
        name=name,
    )
