"""The layers that every part of a world model is made of."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

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


class Spread(keras.layers.Layer):
    """Log-variances (B, units) from features that a mean was made of, and any further clue.

    It must not cost the mean any accuracy, so it trains none of its inputs; and as those
    were made for the mean alone, it has a hidden layer of its own. That one is bounded: far
    from the data, an unbounded one would magnify rounding by an exponential.
    """

    def __init__(self, width: int, units: int, seed: int, name: str) -> None:
        """Args: width: of the layers before, of which it takes half; seed: fixes the weights."""
        super().__init__(name=name)
        hidden = max(1, width // 2)
        self.hidden = dense(hidden, "tanh", seeds.derive(seed, "hidden"), "hidden")
        self.outputs = dense(units, None, seeds.derive(seed, "outputs"), "outputs", scale=0.1)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Predict from (B, F)."""
        return self.outputs(self.hidden(tf.stop_gradient(features)))


class Heads(keras.Model):
    """A trunk with a head of means and one of variances: (B, F) -> means and log-variances."""

    def __init__(
        self,
        width: int,
        depth: int,
        activation: str,
        means: int,
        spreads: int,
        seed: int,
        name: str,
    ) -> None:
        """Args: means, spreads: units of each head; seed: fixes the initial weights."""
        super().__init__(name=name)
        derive = seeds.derive
        self.trunk = Trunk(width, depth, activation, derive(seed, "trunk"), "trunk")
        self.mean = dense(means, None, derive(seed, "mean"), "mean", scale=0.1)
        self.spread = Spread(width, spreads, derive(seed, "spread"), "spread")

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Predict."""
        hidden = self.trunk(inputs)
        return self.mean(hidden), self.spread(hidden)


def dense(
    units: int, activation: str | None, seed: int, name: str, scale: float = 1.0
) -> keras.layers.Dense:
    """A dense layer whose initial weights depend on the seed alone (Glorot, times ``scale``)."""
    return keras.layers.Dense(
        units,
        activation=activation_of(activation) if activation else None,
        kernel_initializer=keras.initializers.VarianceScaling(
            scale, mode="fan_avg", distribution="uniform", seed=seed
        ),
        name=name,
    )


def activation_of(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The activation of a name."""
    # TensorFlow's own silu has a custom gradient, which keeps every graph that was ever
    # traced with it, and the dataset that such a graph captured, for as long as Python runs.
    return _silu if name == "silu" else keras.activations.get(name)


def _silu(x: tf.Tensor) -> tf.Tensor:
    return x * tf.sigmoid(x)


class AgentDense(keras.layers.Layer):
    """A linear layer of its own for each agent, in one matrix product: (B*N, F) -> (B*N, units)."""

    def __init__(self, agents: int, units: int, seed: int, name: str, scale: float = 1.0) -> None:
        """Args: agents: N; rows are N by N; seed: fixes the weights; scale: as ``dense``'s."""
        super().__init__(name=name)
        self._agents, self._units = agents, units
        # Glorot takes the agents' axis for a part of the fans; the factor N undoes it.
        self._initializer = keras.initializers.VarianceScaling(
            scale * agents, mode="fan_avg", distribution="uniform", seed=seed
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: a kernel (N, F, units) and a bias (N, 1, units)."""
        shape = (self._agents, input_shape[-1], self._units)
        self.kernel = self.add_weight(shape=shape, initializer=self._initializer, name="kernel")
        self.bias = self.add_weight(
            shape=(self._agents, 1, self._units), initializer="zeros", name="bias"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Apply agent i's layer to rows i, N + i, 2 N + i, ..."""
        by_agent = tf.reshape(inputs, (-1, self._agents, inputs.shape[-1]))
        outputs = tf.matmul(tf.transpose(by_agent, (1, 0, 2)), self.kernel) + self.bias
        return tf.reshape(tf.transpose(outputs, (1, 0, 2)), (-1, self._units))
