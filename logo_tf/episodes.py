"""One logged episode of a team, as NumPy arrays: what scenarios leave and datasets hold."""

from __future__ import annotations

import dataclasses

import numpy as np

from logo_tf.shapes import check_shapes
from logo_tf.specs import ScenarioSpec


@dataclasses.dataclass(frozen=True)
class Episode:
    """T transitions over T+1 rows; the last row is what the last action led to.

    Attributes:
      observations: (T+1, N, O) float32, zero where padded.
      state: (T+1, S) float32.
      actions: (T, N) int32 or (T, N, A) float32, zero where padded.
      rewards: (T,) float32, the team's shared reward.
      legal_actions: (T+1, N, L) bool; L is 0 for continuous actions.
      agent_mask: (T+1, N) bool, whether the agent is alive.
      terminated: the scenario ended the episode (False: a time limit cut it).
    """

    observations: np.ndarray
    state: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    legal_actions: np.ndarray
    agent_mask: np.ndarray
    terminated: bool

    @property
    def length(self) -> int:
        """T, the number of transitions."""
        return len(self.rewards)

    @property
    def episode_return(self) -> float:
        """The undiscounted sum of rewards."""
        return float(np.sum(self.rewards, dtype=np.float64))

    def check(self, spec: ScenarioSpec) -> None:
        """Check every array's shape against the spec.

        Raises:
          LogoError: names the array, its shape and the axis that is off.
        """
        axes = {
            "observations": "PNO",
            "state": "PS",
            "actions": "TN" if spec.discrete else "TNA",
            "rewards": "T",
            "legal_actions": "PNL",
            "agent_mask": "PN",
        }
        check_shapes(
            {name: getattr(self, name) for name in axes},
            axes,
            P=self.length + 1,
            N=spec.num_agents,
            O=spec.observation_dim,
            A=spec.action_dim,
            L=spec.legal_dim,
            S=spec.state_dim,
        )
