"""What every world model promises: LOGO, and the rivals it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from logo_tf.artifacts import Manifest
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig

if TYPE_CHECKING:
    from logo_tf.world_model.calibration import Calibration
    from logo_tf.world_model.temperature import Temperature


class Prediction(NamedTuple):
    """One predicted step, in raw units; zero for padding and for agents that are dead.

    observations: (B, N, O) mean of o', given that the agent lives on;
    observations_std: (B, N, O) its spread; state: (B, S) mean of s'; state_std: (B, S);
    reward: (B,) mean; reward_std: (B,);
    termination: (B,) probability that the scenario ends with this step;
    legal_actions: (B, N, L) probability that each action is legal next (L = 0: continuous);
    uncertainty: (B,) >= 0 how far off the standardised s' may be, over sqrt(predicted
    dimensions): Eq. 5 for LOGO, or another reading, and what each rival says of itself;
    memory: (B, N, M) what each agent remembers after the step; M = 0 without a memory.
    """

    observations: tf.Tensor
    observations_std: tf.Tensor
    state: tf.Tensor
    state_std: tf.Tensor
    reward: tf.Tensor
    reward_std: tf.Tensor
    termination: tf.Tensor
    legal_actions: tf.Tensor
    uncertainty: tf.Tensor
    memory: tf.Tensor


class Simulator(Protocol):
    """What rollouts and planners need of a world model: one step of a team, learned.

    Its methods may be traced into a graph.
    """

    memory_dim: int
    """M, how much each agent remembers; 0 for a model of one step without a past."""

    routes: int
    """Among how many members rows are dealt: row i is predicted by number i mod routes."""

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario it simulates."""

    def observe(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """Take in a row that really happened; arguments as ``step``'s.

        Returns:
          (B, N, M): what is remembered before the next row.
        """

    def step(
        self,
        state: tf.Tensor,
        observations: tf.Tensor,
        actions: tf.Tensor,
        agent_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
    ) -> Prediction:
        """Predict one step; deterministic, no random number is drawn.

        Args:
          state: (B, S) raw units.
          observations: (B, N, O) raw units, zero where padded.
          actions: (B, N) int32 or (B, N, A) float32.
          agent_mask: (B, N) float32, 1 for the living.
          memory: (B, N, M) of the step before, or of ``observe``; None where nothing
            came before.

        Returns:
          The mean prediction and its spread, clipped to the range of the training data.
        """


class WorldModel(Simulator, Protocol):
    """A simulator that is trained, judged and exported here.

    A world model is a ``tf.Module``, so ``tf.train.Checkpoint(model=model)`` saves
    and restores it exactly.
    """

    manifest: Manifest | None
    """Of the artefact it was loaded from, if it was."""

    calibration: Calibration | None
    """What its uncertainty says of its error, if that was measured."""

    temperature: Temperature
    """What its predicted spreads are multiplied with."""

    @property
    def config(self) -> WorldModelConfig:
        """What it was built with."""

    @property
    def trainable_variables(self) -> Any:
        """The variables that training moves, in a fixed order."""

    @property
    def context(self) -> int:
        """How many rows before a window's first one training shows it; 0 without a memory."""

    @property
    def state_variables(self) -> tuple[tf.Variable, ...]:
        """What is kept with the weights but no gradient moves."""

    def members(self) -> Sequence[WorldModel]:
        """The models that are selected one by one; a model that is no ensemble is its own member.

        The trainable variables of an ensemble are listed member by member.
        """

    def select(self, scores: np.ndarray) -> None:
        """Take note of each member's held-out error (K,) when training ends."""

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """Return scalar losses of a batch of windows, ``"loss"`` being their weighted sum.

        Args:
          batch: (B, T, ...) consecutive transitions, real ones: ``context`` rows to
            remember, then at least ``unroll``.
          mask: (B, T) float32, 0 for rows outside the episode.
          unroll: how many steps to predict open loop from the first row after the
            context; every row is also predicted one step ahead.
        """


def prediction_spec(spec: ScenarioSpec, memory_dim: int) -> Prediction:
    """Return the shape and dtype of one prediction, without a batch axis."""
    n = spec.num_agents
    observations = tf.TensorSpec((n, spec.observation_dim), tf.float32)
    state, scalar = tf.TensorSpec((spec.state_dim,), tf.float32), tf.TensorSpec((), tf.float32)
    return Prediction(
        observations=observations,
        observations_std=observations,
        state=state,
        state_std=state,
        reward=scalar,
        reward_std=scalar,
        termination=scalar,
        legal_actions=tf.TensorSpec((n, spec.legal_dim), tf.float32),
        uncertainty=scalar,
        memory=tf.TensorSpec((n, memory_dim), tf.float32),
    )


def next_legal(prediction: Prediction | tf.Tensor, spec: ScenarioSpec) -> tf.Tensor:
    """Return which actions a prediction allows next, at least one per agent.

    Args:
      prediction: of any world model, or its ``legal_actions`` (B, N, L) alone.
      spec: its scenario.

    Returns:
      (B, N, L) bool: legal where more likely than not, and always the likeliest
      existing action; (B, N, 0) for continuous actions.
    """
    probability = prediction.legal_actions if isinstance(prediction, Prediction) else prediction
    if not spec.discrete:
        return tf.zeros(tf.shape(probability), tf.bool)
    exists = tf.constant(spec.action_mask)
    probability = probability * exists - (1.0 - exists)
    likeliest = tf.one_hot(
        tf.argmax(probability, axis=-1), spec.action_dim, on_value=True, off_value=False
    )
    return tf.logical_or(probability > 0.5, likeliest)


def next_agent_mask(legal_actions: tf.Tensor, spec: ScenarioSpec) -> tf.Tensor:
    """Return who lives, from what is legal.

    Args:
      legal_actions: (B, N, L) bool.
      spec: the scenario; where it has a no-op, an agent left with it alone is dead.

    Returns:
      (B, N) float32: 1 for the living; all ones where nothing tells.
    """
    if not spec.discrete or spec.noop_action is None:
        return tf.ones(tf.shape(legal_actions)[:-1], tf.float32)
    acting = tf.one_hot(
        spec.noop_action, spec.action_dim, on_value=False, off_value=True, dtype=tf.bool
    )
    alive = tf.reduce_any(tf.logical_and(legal_actions, acting), axis=-1)
    return tf.cast(alive, tf.float32)
