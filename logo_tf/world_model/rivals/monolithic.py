"""The monolithic world model: one multilayer perceptron from the joint step to the next."""

from __future__ import annotations

import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.base import BaseWorldModel, Forecast, Start, state_action
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.networks import Heads
from logo_tf.world_model.rivals import objective


class MonolithicWorldModel(BaseWorldModel):
    """(s, a) or (s, o, a) -> s', o', r, ending and legal actions, all at once.

    Means are changes, trained by squared error; variances are heads on stopped features,
    as LOGO's. With ``trunks="split"`` the state has a network of its own, which is the
    fair rival: LOGO's E_s and the trunk it goes on from, with nothing beside them. Its
    uncertainty is the root mean predicted variance of s', as a single probabilistic
    network has no other.
    """

    def __init__(
        self,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
        seed: int,
    ) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__("monolithic", config, spec, standardisation)
        n, o, s, legal = spec.num_agents, spec.observation_dim, spec.state_dim, spec.legal_dim
        self._sizes = (n * o, 1, 1, n * legal)
        rest = sum(self._sizes)
        parts: tuple[tuple[str, int, int], ...] = (("all", s + rest, s + n * o + 1),)
        if config.monolithic.trunks == "split":
            parts = (("state", s, s), ("rest", rest, n * o + 1))
        self._heads = [
            Heads(
                config.width,
                config.depth,
                config.activation,
                means,
                spreads,
                seeds.derive(seed, name),
                name,
            )
            for name, means, spreads in parts
        ]
        self.create_weights()

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """All weights, in a fixed order."""
        return tuple(weight.value for part in self._heads for weight in part.trainable_variables)

    def forecast(self, start: Start) -> Forecast:
        """Predict one step in standardised units."""
        spec = self.spec
        n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
        known = state_action(start)
        if self.config.monolithic.inputs == "state_observations":
            flat = tf.reshape(start.observations, (-1, n * o))
            known = tf.concat([known, flat, start.alive], axis=-1)
        outputs = [heads(known) for heads in self._heads]
        mean = tf.concat([mean for mean, _ in outputs], axis=-1)
        spread = tf.concat([spread for _, spread in outputs], axis=-1)
        change, observations, reward, ending, legal = tf.split(mean, (s, *self._sizes), axis=-1)
        of_state, of_observations, of_reward = tf.split(spread, (s, n * o, 1), axis=-1)
        seen = start.observations + tf.reshape(observations, (-1, n, o))
        state = self.scaling.complete_state(start.state + change, start.state, start.actions)
        return Forecast(
            observations=seen * self.scaling.observation_mask,
            observation_log_variance=tf.reshape(of_observations, (-1, n, o)),
            state=state,
            state_log_variance=of_state,
            reward=reward[:, 0],
            reward_log_variance=of_reward[:, 0],
            termination_logit=ending[:, 0],
            legal_logits=tf.reshape(legal, (tf.shape(legal)[0], n, spec.legal_dim)),
            uncertainty=self.state_spread(of_state),
            memory=start.memory,
        )

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Return the losses of a batch of windows; see ``WorldModel.losses``."""
        return objective.losses(self, batch, mask, unroll)
