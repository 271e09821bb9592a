"""The policy that every return is compared with: it looks at nothing."""

from __future__ import annotations

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec


class RandomPolicy:
    """A ``TeamPolicy``: uniform within the bounds, or uniform over the legal actions."""

    def __init__(self, spec: ScenarioSpec) -> None:
        """Args: spec: the bounds, or the number of choices."""
        self._spec = spec

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw joint actions.

        Args:
          observations: (B, N, O) float32; only B is used.
          legal_actions: (B, N, L) bool.
          rng: the source of randomness.

        Returns:
          (B, N) int32 or (B, N, A) float32, zero where padded.

        Raises:
          LogoError: an agent has no legal action.
        """
        spec = self._spec
        if not spec.discrete:
            shape = (len(observations), *spec.action_shape)
            actions = rng.uniform(spec.action_low, spec.action_high, shape)
            return (actions * spec.action_mask).astype(np.float32)
        if not np.all(np.any(legal_actions, axis=-1)):
            raise LogoError(f"{spec.name}: an agent has no legal action; check the scenario's mask")
        # The largest of independent uniform draws falls on each legal action equally often.
        draws = np.where(legal_actions, rng.random(legal_actions.shape), -1.0)
        return np.argmax(draws, axis=-1).astype(np.int32)
