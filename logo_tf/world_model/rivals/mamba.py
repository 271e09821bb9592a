"""A MAMBA-style world model: a recurrent state-space model per agent, attention between them."""

from __future__ import annotations

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.base import BaseWorldModel, Forecast, Start
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Heads, Trunk
from logo_tf.world_model.rivals import mamba_objective
from logo_tf.world_model.rivals.mamba_networks import (
    Core,
    flat,
    layer_width,
    probabilities,
)


class MambaWorldModel(BaseWorldModel):
    """DreamerV2 for many agents (MAMBA: Egorov and Shpilman, arXiv 2205.15023), with a state.

    Each agent has a GRU memory h and discrete latents z; agents share weights and attend
    to each other's (z, a):

    ```
    h'_i = GRU(attention_i(z, a), h_i)     prior p(z'_i | h'_i)     posterior q(z'_i | h'_i, o'_i)
    o'_i = o_i + f(h'_i, z'_i, o_i)        s', r, ending = g(all agents' (h', z'), s)
    ```

    A real row is taken in by the posterior. A predicted one never is: as in MAMBA's latent
    imagination the next step goes on from the prior's z', which travels in ``memory``
    (B, N, M) = [h, z, 1 if z was imagined] and passes over the re-encoded prediction.

    Departures from MAMBA, all in the rival's favour: there is a global state, predicted
    from the (h', z') of all living agents; o and s reach the heads, which predict changes;
    prior latents are trained on the predictions, not by the divergence alone, and also
    open loop; latents are probabilities in a step, which may draw nothing, and with
    ``latents="soft"`` in training too. Their mode instead predicts far worse where
    training was soft (state NRMSE of HalfCheetah .69 for .14) and no better where it drew.

    Its uncertainty is the root mean predicted variance of s'. The entropy of the prior was
    tried: it ranks the true error wrongly (Spearman -.6 to .1, where this has .35 to .78).
    """

    def __init__(
        self,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
        seed: int,
    ) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__("mamba", config, spec, standardisation)
        mamba, derive = config.mamba, seeds.derive
        o, s, legal = spec.observation_dim, spec.state_dim, spec.legal_dim
        self.memory_dim = mamba.memory + mamba.groups * mamba.classes + 1
        self.core = Core(config, spec, derive(seed, "core"))
        self._gather = Trunk(
            layer_width(config), 1, config.activation, derive(seed, "gather"), "gather"
        )
        self._local, self._state, self._reward = (
            Heads(
                layer_width(config),
                config.depth,
                config.activation,
                means,
                spreads,
                derive(seed, name),
                name,
            )
            for name, means, spreads in (
                ("local", o + legal, o),
                ("state", s, s),
                ("reward", 2, 1),
            )
        )
        self.create_weights()

    @property
    def context(self) -> int:
        """How many rows before a window's first one training shows it."""
        return self.config.mamba.burn_in

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """All weights, part by part, in a fixed order."""
        parts: tuple[keras.layers.Layer, ...] = (
            self.core,
            self._gather,
            self._local,
            self._state,
            self._reward,
        )
        return tuple(weight.value for part in parts for weight in part.trainable_variables)

    def observe(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """Take in a real row; see ``Simulator.observe``. What was imagined of it is dropped."""
        start = self.start(state, observations, actions, agent_mask, memory)
        h, z = self._infer(start)
        after = self.core.advance(h, z, start.actions, start.alive)
        return _remembered(after, tf.zeros_like(z), imagined=False)

    def forecast(self, start: Start) -> Forecast:
        """Predict one step in standardised units."""
        h, inferred = self._infer(start)
        kept, imagined = start.memory[..., self.config.mamba.memory : -1], start.memory[..., -1:]
        return self._predict(start, h, tf.where(imagined > 0, kept, inferred))

    def imagine(self, start: Start) -> Forecast:
        """``forecast`` where the memory is known to be imagined: nothing is encoded."""
        size = self.config.mamba.memory
        return self._predict(start, start.memory[..., :size], start.memory[..., size:-1])

    def decode(self, start: Start, h: tf.Tensor, z: tf.Tensor) -> Forecast:
        """What follows from latents.

        Args:
          start: the step's beginning; its memory is not used.
          h: (B, N, H) after the step.
          z: (B, N, G * C) after the step, of the prior or of the posterior.
        """
        n, o = self.spec.num_agents, self.spec.observation_dim
        features = tf.concat([h, z], axis=-1)
        mean, spread = self._local(flat(tf.concat([features, start.observations], axis=-1)))
        mean = tf.reshape(mean, (-1, n, mean.shape[-1]))
        gathered = self._gather(flat(features))
        width = gathered.shape[-1]
        living = tf.reshape(gathered, (-1, n, width)) * start.alive[..., None]
        known = tf.concat([tf.reshape(living, (-1, n * width)), start.state], axis=-1)
        change, of_state = self._state(known)
        reward, of_reward = self._reward(known)
        return Forecast(
            observations=(start.observations + mean[..., :o]) * self.scaling.observation_mask,
            observation_log_variance=tf.reshape(spread, (-1, n, o)),
            state=self.scaling.complete_state(start.state + change, start.state, start.actions),
            state_log_variance=of_state,
            reward=reward[:, 0],
            reward_log_variance=of_reward[:, 0],
            termination_logit=reward[:, 1],
            legal_logits=mean[..., o:],
            uncertainty=self.state_spread(of_state),
            memory=_remembered(h, z, imagined=True),
        )

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Return the losses of a batch of windows; see ``WorldModel.losses``."""
        return mamba_objective.losses(self, batch, mask, unroll)

    def _infer(self, start: Start) -> tuple[tf.Tensor, tf.Tensor]:
        """The h before the step, and z by the posterior from the observations there."""
        h = start.memory[..., : self.config.mamba.memory]
        encoded = self.core.encode(start.observations, start.alive)
        return h, probabilities(self.core.posterior(h, encoded))

    def _predict(self, start: Start, h: tf.Tensor, z: tf.Tensor) -> Forecast:
        after = self.core.advance(h, z, start.actions, start.alive)
        return self.decode(start, after, probabilities(self.core.prior(after)))


def _remembered(h: tf.Tensor, z: tf.Tensor, imagined: bool) -> tf.Tensor:
    """(B, N, M) = [h, z, flag]."""
    flag = tf.fill((tf.shape(h)[0], h.shape[1], 1), 1.0 if imagined else 0.0)
    return tf.concat([h, z, flag], axis=-1)
