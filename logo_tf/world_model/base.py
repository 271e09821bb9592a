"""What LOGO and its rivals share: units, lives, and how a forecast becomes a prediction."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.artifacts import Manifest
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.calibration import Calibration
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.losses import standard_deviation
from logo_tf.world_model.protocol import Prediction, WorldModel, next_agent_mask, next_legal
from logo_tf.world_model.scaling import Scaling
from logo_tf.world_model.temperature import Temperature


class Start(NamedTuple):
    """Where a step begins, in standardised units.

    state: (B, S); observations: (B, N, O); actions: (B, N, A) encoded; alive: (B, N);
    memory: (B, N, M) of what each agent saw before, zeros where nothing.
    """

    state: tf.Tensor
    observations: tf.Tensor
    actions: tf.Tensor
    alive: tf.Tensor
    memory: tf.Tensor


class Forecast(NamedTuple):
    """One predicted step, in standardised units.

    observations, observation_log_variance: (B, N, O); state, state_log_variance: (B, S);
    reward, reward_log_variance, termination_logit: (B,); legal_logits: (B, N, L);
    uncertainty: (B,); memory: (B, N, M) after the step.
    """

    observations: tf.Tensor
    observation_log_variance: tf.Tensor
    state: tf.Tensor
    state_log_variance: tf.Tensor
    reward: tf.Tensor
    reward_log_variance: tf.Tensor
    termination_logit: tf.Tensor
    legal_logits: tf.Tensor
    uncertainty: tf.Tensor
    memory: tf.Tensor


class BaseWorldModel(tf.Module, abc.ABC):
    """A world model that works in standardised units; see ``WorldModel``.

    A subclass says what it forecasts and what it is trained on.
    """

    memory_dim = 0
    routes = 1

    def __init__(
        self,
        name: str,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
    ) -> None:
        """Args: name: of the module; standardisation: units of the training data."""
        super().__init__(name=name)
        self._config = config
        self._spec = spec
        self.manifest: Manifest | None = None
        self.calibration: Calibration | None = None
        self.temperature = Temperature(spec)
        self.scaling = Scaling(spec, standardisation)

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario it simulates."""
        return self._spec

    @property
    def config(self) -> WorldModelConfig:
        """What it was built with."""
        return self._config

    @property
    def context(self) -> int:
        """How many rows before a window's first one training shows it."""
        return 0

    @property
    def state_variables(self) -> tuple[tf.Variable, ...]:
        """What it keeps beside weights: the temperatures of its spreads."""
        return self.temperature.variables

    def members(self) -> Sequence[WorldModel]:
        """The models that it consists of: itself, for most."""
        return (self,)

    def select(self, scores: np.ndarray) -> None:
        """Take note of each member's held-out error (K,) when training ends."""

    @abc.abstractmethod
    def forecast(self, start: Start) -> Forecast:
        """Predict one step in standardised units."""

    @abc.abstractmethod
    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Return the losses of a batch of windows; see ``WorldModel.losses``."""

    def step(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
    ) -> Prediction:
        """Predict one step in raw units; see ``Simulator.step``."""
        forecast = self.forecast(self.start(state, observations, actions, agent_mask, memory))
        scaling, statistics, temperature = self.scaling, self.scaling.statistics, self.temperature
        legal, _ = self.legal_and_alive(forecast.legal_logits, agent_mask)
        return Prediction(
            observations=scaling.raw_observations(forecast.observations, agent_mask),
            observations_std=standard_deviation(forecast.observation_log_variance)
            * temperature.observations
            * statistics.observation_std
            * scaling.observation_mask
            * agent_mask[..., None],
            state=scaling.raw_state(forecast.state),
            state_std=standard_deviation(forecast.state_log_variance)
            * temperature.state
            * statistics.state_std
            * scaling.state_mask,
            reward=scaling.raw_reward(forecast.reward),
            reward_std=standard_deviation(forecast.reward_log_variance)
            * temperature.reward
            * statistics.reward_std,
            termination=tf.sigmoid(forecast.termination_logit),
            legal_actions=legal,
            uncertainty=forecast.uncertainty,
            memory=forecast.memory,
        )

    def observe(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """Take in a real row; see ``Simulator.observe``. Nothing to do without a memory."""
        del state, observations, actions, agent_mask
        return memory

    def start(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        alive: tf.Tensor,
        memory: tf.Tensor | None = None,
    ) -> Start:
        """Bring the beginning of a step from raw into standardised units."""
        if memory is None:
            memory = self.no_memory(tf.shape(state)[0])
        return Start(
            state=self.scaling.state(state),
            observations=self.scaling.observations(observations, alive),
            actions=self.scaling.actions(actions),
            alive=alive,
            memory=memory,
        )

    def no_memory(self, rows: int | tf.Tensor) -> tf.Tensor:
        """(rows, N, M) zeros: what is remembered before anything was seen."""
        return tf.zeros((rows, self._spec.num_agents, self.memory_dim))

    def legal_and_alive(self, logits: tf.Tensor, alive: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Legal probabilities (B, N, L) and who lives afterwards (B, N); the dead stay dead."""
        spec = self._spec
        probabilities = tf.sigmoid(logits) * spec.action_mask[:, : spec.legal_dim]
        if not spec.discrete or spec.noop_action is None:
            return probabilities, alive
        noop = tf.one_hot(spec.noop_action, spec.action_dim)
        probabilities = tf.where(alive[..., None] > 0, probabilities, noop)
        return probabilities, next_agent_mask(next_legal(probabilities, spec), spec)

    def state_spread(self, log_variance: tf.Tensor) -> tf.Tensor:
        """Root mean predicted variance of s' (B,): what a model without a better word says of u."""
        variance = tf.square(standard_deviation(log_variance))
        total = tf.reduce_sum(variance * self.scaling.state_mask, axis=-1)
        return tf.sqrt(total / self.scaling.state_count)

    def create_weights(self) -> None:
        """Run the model once on zeros, so that all variables exist."""
        spec = self._spec
        n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
        actions = tf.zeros((1, *spec.action_shape), tf.as_dtype(spec.action_dtype))
        self.step(tf.zeros((1, s)), tf.zeros((1, n, o)), actions, tf.ones((1, n)))


def state_action(start: Start) -> tf.Tensor:
    """(B, S + N*A): the state beside the joint action."""
    joint = tf.reshape(start.actions, (-1, start.actions.shape[1] * start.actions.shape[2]))
    return tf.concat([start.state, joint], axis=-1)
