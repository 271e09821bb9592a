"""The predictive module: each agent's next observation from what it sees, and back (Eq. 2)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import AgentDense, Trunk, activation_of, dense


class LocalOutput(NamedTuple):
    """What E_p says of each agent, in standardised units.

    change: (B, N, O) ô' - o; log_variance: (B, N, O) of o';
    legal_logits: (B, N, L) which actions will be legal;
    features: (B, W) what it makes of what all agents are given.
    """

    change: tf.Tensor
    log_variance: tf.Tensor
    legal_logits: tf.Tensor
    features: tf.Tensor


class LocalEncoder(keras.Model):
    """E_p: one network for all agents, told apart by a bias of their own; no loop over agents.

    What all agents are given (s, and a in the ``joint`` reading) goes through a trunk
    once per row; what an agent itself sees and does is added to its outcome, in one
    narrower layer for each agent.
    """

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="local_encoder")
        n, o, legal = spec.num_agents, spec.observation_dim, spec.legal_dim
        self._sizes = (n, o, legal)
        derive, activation = seeds.derive, config.activation
        width = max(8, round(config.width * config.logo.local_share))
        self.shared_trunk = Trunk(
            config.width, config.depth, activation, derive(seed, "shared_trunk"), "shared_trunk"
        )
        self.shared = dense(width, None, derive(seed, "shared"), "shared")
        self.own = dense(width, None, derive(seed, "own"), "own")
        # What a one-hot id among the inputs would meet, without its N inputs.
        self.identity = self.add_weight(
            shape=(n, width),
            initializer=keras.initializers.GlorotUniform(derive(seed, "identity")),
            name="identity",
        )
        self.activation = activation_of(activation)

        def head(units: int, name: str) -> keras.layers.Layer:
            if config.logo.local_heads == "own":
                return AgentDense(n, units, derive(seed, name), name, scale=0.1)
            return dense(units, None, derive(seed, name), name, scale=0.1)

        self.mean = head(o + legal, "mean")
        doubt = max(1, width // 2)
        self.shared_doubt = dense(doubt, None, derive(seed, "shared_doubt"), "shared_doubt")
        self.own_doubt = dense(doubt, None, derive(seed, "own_doubt"), "own_doubt")
        self.spread = head(o, "spread")

    def call(self, own: tf.Tensor, shared: tf.Tensor) -> LocalOutput:
        """Predict.

        Args:
          own: (B, N, F) each agent's observation, action, life and memory.
          shared: (B, G) what all agents are given: s, and a in the joint reading.
        """
        n, o, legal = self._sizes
        features = self.shared_trunk(shared)
        own = tf.reshape(own, (-1, own.shape[-1]))
        ours = self.shared(features)[:, None] + self.identity
        hidden = self.activation(self._join(self.own(own), ours))
        mean = tf.reshape(self.mean(hidden), (-1, n, o + legal))
        # As in ``Spread``, of which this is one that sees what is shared and what is not.
        mine, ours = tf.stop_gradient(hidden), tf.stop_gradient(features)
        doubt = tf.tanh(self._join(self.own_doubt(mine), self.shared_doubt(ours)[:, None]))
        spread = tf.reshape(self.spread(doubt), (-1, n, o))
        return LocalOutput(mean[..., :o], spread, mean[..., o:], features)

    def _join(self, own: tf.Tensor, shared: tf.Tensor) -> tf.Tensor:
        """Sum (B*N, W) of each agent and (B, 1 or N, W) -> (B*N, W)."""
        width = shared.shape[-1]
        both = tf.reshape(own, (-1, self._sizes[0], width)) + shared
        return tf.reshape(both, (-1, width))


class LocalMemory(keras.Model):
    """A GRU over what one agent saw and did, the same for all agents."""

    def __init__(self, config: WorldModelConfig, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="local_memory")
        self.cell = keras.layers.GRUCell(
            config.logo.memory,
            kernel_initializer=keras.initializers.GlorotUniform(seeds.derive(seed, "kernel")),
            recurrent_initializer=keras.initializers.Orthogonal(
                seed=seeds.derive(seed, "recurrent")
            ),
            name="cell",
        )

    def call(self, own: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
        """Take in ``own`` (B, N, F), as E_p does; (B, N, M) -> (B, N, M)."""
        n, width = memory.shape[1:]
        flat = tf.reshape(own, (-1, own.shape[-1]))
        after, _ = self.cell(flat, [tf.reshape(memory, (-1, width))])
        return tf.reshape(after, (-1, n, width))


class LocalDecoder(keras.Model):
    """D_p: ô' of an agent -> its o and a (what exactly is our choice).

    Not s: decoding what all share once per agent would cost N times the state, which
    itself grows with N, and one agent's ô' cannot hold it.
    """

    def __init__(self, config: WorldModelConfig, spec: ScenarioSpec, seed: int) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__(name="local_decoder")
        width = max(8, round(config.width * config.logo.decoder_share))
        self.trunk = Trunk(width, 1, config.activation, seeds.derive(seed, "trunk"), "trunk")
        outputs = spec.observation_dim + spec.action_dim
        self.mean = dense(outputs, None, seeds.derive(seed, "mean"), "mean")

    def call(self, observations: tf.Tensor) -> tf.Tensor:
        """Reconstruct (B, N, O) -> (B, N, O + A)."""
        n, o = observations.shape[1:]
        flat = self.mean(self.trunk(tf.reshape(observations, (-1, o))))
        return tf.reshape(flat, (-1, n, flat.shape[-1]))
