"""The zero line: nothing changes, nothing is rewarded, nothing ends."""

from __future__ import annotations

import tensorflow as tf

from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.base import BaseWorldModel, Forecast, Start
from logo_tf.world_model.config import WorldModelConfig

_CERTAIN = 20.0


class PersistenceWorldModel(BaseWorldModel):
    """The next step is the last one: s' = s, o' = o, the mean reward, no ending, no death."""

    def __init__(
        self,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
        seed: int,
    ) -> None:
        """Args: seed: unused, nothing is random."""
        del seed
        super().__init__("persistence", config, spec, standardisation)
        # Training moves nothing, but every trainer wants something to differentiate by.
        self._nothing = tf.Variable(0.0, name="nothing")

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """One weight without an effect."""
        return (self._nothing,)

    def forecast(self, start: Start) -> Forecast:
        """What was, again; one standard deviation of spread."""
        spec = self.spec
        scalar = tf.zeros_like(start.state[:, 0])
        shape = (tf.shape(start.state)[0], spec.num_agents, spec.legal_dim)
        return Forecast(
            observations=start.observations,
            observation_log_variance=tf.zeros_like(start.observations),
            state=self.scaling.complete_state(start.state, start.state, start.actions),
            state_log_variance=tf.zeros_like(start.state),
            reward=scalar,
            reward_log_variance=scalar,
            termination_logit=scalar - _CERTAIN,
            legal_logits=tf.fill(shape, _CERTAIN),
            uncertainty=scalar,
            memory=start.memory,
        )

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Nothing to learn: a constant."""
        del batch, mask, unroll
        return {"loss": self._nothing * 0.0}
