"""The parts of the MAMBA rival: a recurrent state-space model per agent, attention, heads."""

from __future__ import annotations

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Trunk, dense

# The share of the divergence that moves the prior towards the posterior (DreamerV2, 2010.02193).
PRIOR_SHARE = 0.8
_NEVER = -1e9


class Attention(keras.layers.Layer):
    """Multi-head attention over the agents of a row, added to what each brings."""

    def __init__(self, width: int, heads: int, seed: int) -> None:
        """Args: width: of inputs and outputs; seed: fixes the initial weights."""
        super().__init__(name="attention")
        self._heads, self._size = heads, max(1, width // heads)
        joined = heads * self._size
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.project = dense(3 * joined, None, seeds.derive(seed, "project"), "project")
        self.out = dense(width, None, seeds.derive(seed, "out"), "out")

    def call(self, inputs: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
        """Attend: (B, N, W), alive (B, N) -> (B, N, W); nobody looks at the dead."""
        n, heads, size = inputs.shape[1], self._heads, self._size
        parts = tf.reshape(self.project(flat(self.norm(inputs))), (-1, n, 3, heads, size))
        query, key, value = tf.unstack(tf.transpose(parts, (2, 0, 3, 1, 4)))  # (B, heads, N, size)
        scores = tf.matmul(query, key, transpose_b=True) * size**-0.5
        scores += (1.0 - alive[:, None, None, :]) * _NEVER
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), (0, 2, 1, 3))
        out = self.out(tf.reshape(mixed, (-1, heads * size)))
        return inputs + tf.reshape(out, (-1, n, out.shape[-1]))


class Core(keras.Model):
    """The recurrent state-space model that all agents share, told apart by a one-hot id.

    h' = GRU(attention over agents of [z, a, id], h), prior p(z' | h') and posterior
    q(z' | h', o'): logits of G categoricals of C classes each.
    """

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="core")
        mamba, activation, width = config.mamba, config.activation, layer_width(config)
        self._latents = (mamba.groups, mamba.classes)
        self._ids = tf.eye(spec.num_agents)

        def trunk(name: str) -> Trunk:
            return Trunk(width, 1, activation, seeds.derive(seed, name), name)

        def logits(name: str) -> keras.layers.Dense:
            return dense(mamba.groups * mamba.classes, None, seeds.derive(seed, name), name)

        self.encoder = trunk("encoder")
        self.embedding = trunk("embedding")
        self.attention = Attention(width, mamba.heads, seeds.derive(seed, "attention"))
        self.cell = keras.layers.GRUCell(
            mamba.memory,
            kernel_initializer=keras.initializers.GlorotUniform(seeds.derive(seed, "kernel")),
            recurrent_initializer=keras.initializers.Orthogonal(
                seed=seeds.derive(seed, "recurrent")
            ),
            name="cell",
        )
        self.prior_trunk, self.prior_logits = trunk("prior"), logits("prior_logits")
        self.posterior_trunk, self.posterior_logits = trunk("posterior"), logits("posterior_logits")

    def encode(self, observations: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
        """What is made of observations (B, N, O): (B, N, W)."""
        seen = self._with_ids(observations, alive[..., None])
        return self._agents(self.encoder(flat(seen)))

    def advance(
        self, h: tf.Tensor, z: tf.Tensor, actions: tf.Tensor, alive: tf.Tensor
    ) -> tf.Tensor:
        """The next h (B, N, H), of h, z (B, N, G * C), encoded actions (B, N, A), lives (B, N)."""
        acted = self._agents(self.embedding(flat(self._with_ids(z, actions))))
        after, _ = self.cell(flat(self.attention(acted, alive)), flat(h))
        return self._agents(after)

    def prior(self, h: tf.Tensor) -> tf.Tensor:
        """Logits (B, N, G, C) of p(z | h)."""
        return self._categoricals(self.prior_logits(self.prior_trunk(flat(h))))

    def posterior(self, h: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
        """Logits (B, N, G, C) of q(z | h, o), o as ``encode`` leaves it."""
        known = flat(tf.concat([h, encoded], axis=-1))
        return self._categoricals(self.posterior_logits(self.posterior_trunk(known)))

    def _with_ids(self, *values: tf.Tensor) -> tf.Tensor:
        shape = (tf.shape(values[0])[0], *self._ids.shape)
        return tf.concat([*values, tf.broadcast_to(self._ids, shape)], axis=-1)

    def _agents(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(values, (-1, self._ids.shape[0], values.shape[-1]))

    def _categoricals(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.reshape(logits, (-1, self._ids.shape[0], *self._latents))


def layer_width(config: WorldModelConfig) -> int:
    """Units of every layer but the GRU."""
    return max(8, round(config.width * config.mamba.layer_share))


def flat(values: tf.Tensor) -> tf.Tensor:
    """(B, N, F) -> (B * N, F)."""
    return tf.reshape(values, (-1, values.shape[-1]))


def probabilities(logits: tf.Tensor) -> tf.Tensor:
    """Categoricals' logits (B, N, G, C) -> their probabilities (B, N, G * C)."""
    return _joined(tf.nn.softmax(logits))


def straight_through(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """One-hot draws (B, N, G * C) whose gradient is that of the probabilities.

    Args:
      logits: (B, N, G, C).
      noise: (B, N, G, C) standard Gumbel.
    """
    soft = tf.nn.softmax(logits)
    hard = tf.one_hot(tf.argmax(logits + noise, axis=-1), logits.shape[-1])
    return _joined(hard + soft - tf.stop_gradient(soft))


def balanced_divergence(posterior: tf.Tensor, prior: tf.Tensor) -> tf.Tensor:
    """KL(q || p) in nats, balanced as in DreamerV2 (arXiv 2010.02193, section 2).

    Args: posterior, prior: logits (..., G, C).

    Returns:
      (...): the sum over the groups; ``PRIOR_SHARE`` of its gradient goes to the prior.
    """
    towards = _divergence(tf.stop_gradient(posterior), prior)
    away = _divergence(posterior, tf.stop_gradient(prior))
    return PRIOR_SHARE * towards + (1.0 - PRIOR_SHARE) * away


def _divergence(posterior: tf.Tensor, prior: tf.Tensor) -> tf.Tensor:
    log_q, log_p = tf.nn.log_softmax(posterior), tf.nn.log_softmax(prior)
    return tf.reduce_sum(tf.exp(log_q) * (log_q - log_p), axis=(-2, -1))


def _joined(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, (-1, values.shape[1], values.shape[2] * values.shape[3]))
