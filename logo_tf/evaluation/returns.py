"""What a team policy earns in its scenario."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from logo_tf.config import require
from logo_tf.metrics import progress
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Centralised, TeamPolicy
from logo_tf.scenarios.registry import make_scenario

_COPIES = 20  # scenario copies in step: one call of the policy acts for all of them


@dataclasses.dataclass(frozen=True)
class Returns:
    """Undiscounted returns of whole episodes.

    Attributes:
      returns: one number an episode, in the order they were begun.
      lengths: steps of each.
      won_share: share of won episodes in 0..1, where the scenario tells.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    won_share: float | None = None

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        """Standard deviation over episodes (divided by their number)."""
        return float(np.std(self.returns))

    @property
    def low(self) -> float:
        """The lowest return: single failed episodes decide means."""
        return float(np.min(self.returns))

    @property
    def high(self) -> float:
        """The highest return."""
        return float(np.max(self.returns))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; summary figures first."""
        figures: dict[str, Any] = {
            "return_mean": self.mean,
            "return_std": self.std,
            "return_min": self.low,
            "return_max": self.high,
            "episodes": len(self.returns),
            "length_mean": float(np.mean(self.lengths)),
        }
        if self.won_share is not None:
            figures["won_share"] = self.won_share
        return {**figures, "returns": list(self.returns)}


def gain(returns: Returns, over: Returns) -> dict[str, float]:
    """How much more was earned than by another policy in the same episodes.

    Args:
      returns: of the one.
      over: of the other, played with the same seed.

    Returns:
      gain_mean, and gain_error, its standard error over the pairs (0 for a single one).
    """
    gains = np.subtract(returns.returns, over.returns)
    error = float(np.std(gains, ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
    return {"gain_mean": float(np.mean(gains)), "gain_error": error}


def shown(value: float, largest: float) -> str:
    """A return as text: whole where returns reach hundreds, with two decimals where not."""
    return f"{value:.0f}" if abs(largest) >= 100 else f"{value:.2f}"


def evaluate_policy(
    scenario: str,
    policy: TeamPolicy | Centralised,
    episodes: int,
    seed: int,
    label: str | None = "evaluation",
) -> Returns:
    """Play whole episodes and add up their rewards.

    Policies that are compared should share the seed: they then begin in the same
    states, which takes that much chance out of the comparison.

    Args:
      scenario: the scenario's name.
      policy: chooses the joint actions.
      episodes: how many to play, at least one.
      seed: fixes every episode.
      label: of the progress bar; None shows none.

    Raises:
      LogoError: an unknown scenario, no episodes, or a policy that does not fit it.
    """
    require(episodes >= 1, f"episodes must be at least 1, got {episodes}")
    scenarios = [make_scenario(scenario) for _ in range(min(episodes, _COPIES))]
    bar = progress(label or "", episodes, unit="episode", hidden=label is None)
    try:
        returns, lengths, won = [], [], 0
        win_reward = scenarios[0].spec.win_reward
        for episode in play(scenarios, policy, episodes, seed):
            returns.append(episode.episode_return)
            lengths.append(episode.length)
            won += win_reward is not None and bool(np.max(episode.rewards) >= win_reward)
            bar.update(1)
    finally:
        bar.close()
        for one in scenarios:
            one.close()
    return Returns(
        returns=tuple(returns),
        lengths=tuple(lengths),
        won_share=None if win_reward is None else won / episodes,
    )
