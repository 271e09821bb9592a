"""LOGO: local predictions first, the global state deduced from them (arXiv 2601.07463, 4.2)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model import objective
from logo_tf.world_model.auxiliary import AuxiliaryEncoder
from logo_tf.world_model.base import BaseWorldModel, Forecast, Start, state_action
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.deductive import DeductiveDecoder, DeductiveEncoder, DeductiveOutput
from logo_tf.world_model.local import LocalDecoder, LocalEncoder, LocalMemory, LocalOutput


class Paths(NamedTuple):
    """One step along both paths, in standardised units.

    local: what E_p says; predicted: (B, N, O) ô'; auxiliary: (B, S) ŝ';
    deduced: (B, S) s̄'; deductive: what else E_d says;
    state: (B, S), observations: (B, N, O) those to return and feed back.
    """

    local: LocalOutput
    predicted: tf.Tensor
    auxiliary: tf.Tensor
    deduced: tf.Tensor
    deductive: DeductiveOutput
    state: tf.Tensor
    observations: tf.Tensor


class LogoWorldModel(BaseWorldModel):
    """The local-to-global world model.

    E_p predicts every agent's ô' (Eq. 2). E_d deduces s̄', the reward and the ending from
    them (Eq. 3); E_s predicts ŝ' directly, D_d ties both states to the observations
    (Eq. 4), and the distance of the two is the uncertainty (Eq. 5):

    ```
    u = || ŝ' - s̄' || / sqrt(predicted state dimensions)      on standardised states
    ```

    Departures from the paper, selectable in the config but for the last: E_d is also shown
    s and a, and trained on predicted ô' too; the returned state is the mean of both paths
    (each alone drifts sooner); the returned observations are a mixture of ô' and of what
    D_d sees in that state, which ties the two together over a rollout; legal actions are
    predicted by E_p, who knows them locally.
    """

    def __init__(
        self,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
        seed: int,
    ) -> None:
        """Args: seed: fixes the initial weights."""
        super().__init__("logo", config, spec, standardisation)
        self.local_encoder = LocalEncoder(config, spec, seeds.derive(seed, "E_p"))
        self.local_decoder = LocalDecoder(config, spec, seeds.derive(seed, "D_p"))
        self.auxiliary_encoder = AuxiliaryEncoder(config, spec, seeds.derive(seed, "E_s"))
        self.deductive_encoder = DeductiveEncoder(config, spec, seeds.derive(seed, "E_d"))
        self.deductive_decoder = DeductiveDecoder(config, spec, seeds.derive(seed, "D_d"))
        self.memory_dim = config.logo.memory
        self.local_memory = None
        if self.memory_dim:
            self.local_memory = LocalMemory(config, seeds.derive(seed, "memory"))
        self.create_weights()

    @property
    def context(self) -> int:
        """The burn-in of its memory, if it has one."""
        return self.config.logo.burn_in if self.memory_dim else 0

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """All weights, part by part, in a fixed order."""
        parts: tuple[keras.Model | None, ...] = (
            self.local_encoder,
            self.local_decoder,
            self.auxiliary_encoder,
            self.deductive_encoder,
            self.deductive_decoder,
            self.local_memory,
        )
        return tuple(w.value for part in parts if part for w in part.trainable_variables)

    def forecast(self, start: Start) -> Forecast:
        """Predict one step in standardised units."""
        return self.told(start, self.predict(start))

    def told(self, start: Start, paths: Paths) -> Forecast:
        """What both paths say together of the step that begins at ``start``."""
        local, deductive = paths.local, paths.deductive
        return Forecast(
            observations=paths.observations,
            observation_log_variance=local.log_variance,
            state=paths.state,
            state_log_variance=deductive.state_log_variance,
            reward=deductive.reward,
            reward_log_variance=deductive.reward_log_variance,
            termination_logit=deductive.termination_logit,
            legal_logits=local.legal_logits,
            uncertainty=self._uncertainty(paths),
            memory=self.remember(start),
        )

    def observe(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """Take in a real row; see ``Simulator.observe``."""
        return self.remember(self.start(state, observations, actions, agent_mask, memory))

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Return the losses of a batch of windows; see ``WorldModel.losses``."""
        return objective.losses(self, batch, mask, unroll)

    def predict(self, start: Start) -> Paths:
        """One step in which E_d sees the predicted ô'."""
        local, observations = self.predict_locally(start)
        return self.deduce(start, local, observations, self.visible(start, local, observations))

    def remember(self, start: Start) -> tf.Tensor:
        """What agents remember (B, N, M) after a step that begins so; real or imagined."""
        if self.local_memory is None:
            return start.memory
        return self.local_memory(_own(start), start.memory)

    def predict_locally(self, start: Start) -> tuple[LocalOutput, tf.Tensor]:
        """What E_p says, and its ô' (B, N, O)."""
        own = tf.concat([_own(start), start.memory], axis=-1)
        joint = self._config.logo.local_action == "joint"
        local = self.local_encoder(own, state_action(start) if joint else start.state)
        return local, (start.observations + local.change) * self.scaling.observation_mask

    def visible(self, start: Start, local: LocalOutput, observations: tf.Tensor) -> tf.Tensor:
        """ô' (B, N, O) as E_d sees it: agents predicted to be dead show zeros."""
        _, alive = self.legal_and_alive(tf.stop_gradient(local.legal_logits), start.alive)
        return observations * alive[..., None]

    def deduce(
        self, start: Start, local: LocalOutput, observations: tf.Tensor, seen: tf.Tensor
    ) -> Paths:
        """Complete a step: E_s from the start, E_d from the next observations it is given.

        Args:
          start: where the step begins.
          local: what E_p says.
          observations: (B, N, O) its ô'.
          seen: (B, N, O) the o' that E_d is given.
        """
        known = state_action(start)
        of_both = self._config.logo.auxiliary == "shared"
        auxiliary = start.state + self.auxiliary_encoder(local.features if of_both else known)
        flat = tf.reshape(seen, (-1, self._spec.num_agents * self._spec.observation_dim))
        origin = tf.zeros_like(start.state)
        if self._config.logo.deductive_input == "all":
            flat, origin = tf.concat([flat, known], axis=-1), start.state
        deductive = self.deductive_encoder(flat, auxiliary - origin, local.features)
        deduced = origin + deductive.state
        state = {
            "fused": 0.5 * (auxiliary + deduced),
            "deduced": deduced,
            "auxiliary": auxiliary,
        }[self._config.logo.feedback]
        complete = self.scaling.complete_state(state, start.state, start.actions)
        returned = self._fuse(observations, complete)
        return Paths(local, observations, auxiliary, deduced, deductive, complete, returned)

    def _fuse(self, observations: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The o' (B, N, O) to return, of ô' (B, N, O) and the state (B, S) that is returned."""
        if self._config.logo.observation_feedback == "predicted":
            return observations
        decoded = self.deductive_decoder(state) * self.scaling.observation_mask
        return observations + tf.sigmoid(self.deductive_decoder.gate) * (decoded - observations)

    def _uncertainty(self, paths: Paths) -> tf.Tensor:
        """How far off s' may be, (B,): Eq. 5, the spread that E_d predicts, or both."""
        reading = self._config.logo.uncertainty
        spread = self.state_spread(paths.deductive.state_log_variance)
        if reading == "spread":
            return spread
        squared = tf.math.squared_difference(paths.auxiliary, paths.deduced)
        total = tf.reduce_sum(squared * self.scaling.state_mask, axis=-1)
        squared_distance = total / self.scaling.state_count
        if reading == "both":
            squared_distance += tf.square(spread)
        return tf.sqrt(squared_distance)

    def create_weights(self) -> None:
        """Run every part once on zeros, so that all variables exist."""
        super().create_weights()
        spec = self._spec
        self.local_decoder(tf.zeros((1, spec.num_agents, spec.observation_dim)))
        self.deductive_decoder(tf.zeros((1, spec.state_dim)))


def _own(start: Start) -> tf.Tensor:
    """(B, N, O + A + 1): each agent's observation, action and life."""
    return tf.concat([start.observations, start.actions, start.alive[..., None]], axis=-1)
