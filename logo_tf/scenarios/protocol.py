"""What a scenario and a team policy promise each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from logo_tf.specs import ScenarioSpec


class Frame(NamedTuple):
    """What one reset or step shows.

    observations: (N, O) float32, padded with zeros; state: (S,) float32;
    legal_actions: (N, L) bool; agent_mask: (N,) bool, alive; reward: the team's
    reward for the step that led here (0 after a reset); terminated: the scenario
    ended; truncated: the time limit cut it.
    """

    observations: np.ndarray
    state: np.ndarray
    legal_actions: np.ndarray
    agent_mask: np.ndarray
    reward: float
    terminated: bool
    truncated: bool


class Scenario(Protocol):
    """A real environment of N cooperating agents."""

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario's spec."""

    def reset(self, seed: int | None = None) -> Frame:
        """Begin an episode; the same seed begins the same episode."""

    def step(self, actions: np.ndarray) -> Frame:
        """Apply a joint action, (N,) int32 or (N, A) float32 within the bounds."""

    def render(self) -> np.ndarray:
        """Return the current picture, (height, width, 3) uint8.

        Raises:
          LogoError: this machine cannot render; the message says why.
        """

    def close(self) -> None:
        """Free the environment."""


@runtime_checkable
class Lockstep(Protocol):
    """What a ``Scenario`` adds whose copies step together far faster than one by one.

    Attributes:
      lanes: how many copies one call is made for.
    """

    lanes: int

    def step_together(self, copies: Sequence[Any], actions: np.ndarray) -> list[Frame]:
        """Step K copies, of which this is one, as if each had taken ``step`` itself.

        Args:
          copies: K scenarios of this class and name, each with a running episode.
          actions: (K, N) int32 or (K, N, A) float32 within the bounds.

        Returns:
          K frames, the same whatever K is.
        """


class TeamPolicy(Protocol):
    """A joint policy over a batch of teams, decentralised or not."""

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions.

        Args:
          observations: (B, N, O) float32.
          legal_actions: (B, N, L) bool.
          rng: the only source of randomness a stochastic policy may use.

        Returns:
          (B, N) int32 or (B, N, A) float32 within the bounds.
        """


@runtime_checkable
class Remembering(Protocol):
    """What a ``TeamPolicy`` adds whose choice depends on the episode so far.

    Attributes:
      memory_dim: M, what each agent remembers; 0 is nothing, then ``act`` says all.
    """

    memory_dim: int

    def act_on(
        self,
        observations: np.ndarray,
        legal_actions: np.ndarray,
        memory: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions, as ``act`` does, going on from ``memory``.

        Args:
          observations: (B, N, O) float32.
          legal_actions: (B, N, L) bool.
          memory: (B, N, M) float32, zeros as an episode begins.
          rng: the only source of randomness.

        Returns:
          The joint actions and the memory after them.
        """


@runtime_checkable
class Centralised(Protocol):
    """A joint policy that is executed centrally: it is shown the global state.

    Attributes:
      memory_dim: M, what it remembers of each agent; 0 is nothing.
    """

    memory_dim: int

    def plan_on(
        self, frames: Frame, memory: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions.

        Args:
          frames: what B teams see, every field led by the axis B.
          memory: (B, N, M) float32, zeros as an episode begins.
          rng: the only source of randomness.

        Returns:
          (B, N) int32 or (B, N, A) float32 within the bounds, and the memory after them.
        """
