"""A bundle for devices, played like any other policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from logo_tf.edge.team import BundleError, Team
from logo_tf.errors import LogoError


class EdgePolicy:
    """A team's TFLite files as a ``TeamPolicy`` that remembers.

    Attributes:
      memory_dim: M, what each agent remembers; 0 is nothing.
    """

    def __init__(self, bundle: str | Path) -> None:
        """Load the files.

        Raises:
          LogoError: not a bundle, or a file is missing or changed.
        """
        try:
            self._team = Team.load(bundle)
        except BundleError as error:
            raise LogoError(str(error)) from None
        self.memory_dim = self._team.agents[0].memory_dim

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions as an episode begins; shapes as ``TeamPolicy.act``'s."""
        shape = (*observations.shape[:2], self.memory_dim)
        return self.act_on(observations, legal_actions, np.zeros(shape, np.float32), rng)[0]

    def act_on(
        self,
        observations: np.ndarray,
        legal_actions: np.ndarray,
        memory: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions, one team and agent after the other, as devices would.

        Shapes as ``Remembering.act_on``'s; nothing is drawn.
        """
        del rng
        teams = [
            self._team.step(*one) for one in zip(observations, legal_actions, memory, strict=True)
        ]
        actions, memories = zip(*teams, strict=True)
        return np.stack(actions), np.stack(memories)
