"""A strip of pictures of the team acting, where this machine can render."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Frame, Scenario, TeamPolicy
from logo_tf.scenarios.registry import make_scenario
from logo_tf.specs import ScenarioSpec


class FrameStrip(NamedTuple):
    """Pictures, or why there are none.

    pictures: (height, width, 3) uint8 each; steps: the step each shows; reason: one
    line, empty where there are pictures.
    """

    pictures: tuple[np.ndarray, ...]
    steps: tuple[int, ...]
    reason: str


def film(scenario: str, policy: TeamPolicy, frames: int, every: int, seed: int) -> FrameStrip:
    """Play the beginning of an episode and picture it; never fails for want of a picture.

    Args:
      scenario: the scenario's name.
      policy: chooses the joint actions.
      frames: how many pictures, at most (an episode may end sooner).
      every: steps between two pictures.
      seed: fixes the episode.
    """
    if frames < 1:
        return FrameStrip((), (), "no frames were asked for")
    camera = _Camera(make_scenario(scenario), frames, every)
    try:
        for _ in play([camera], policy, episodes=1, seed=seed):
            pass
    except LogoError as error:
        if not camera.broken:
            raise
        return FrameStrip((), (), str(error))
    finally:
        camera.close()
    return FrameStrip(tuple(camera.pictures), tuple(camera.steps), "")


class _Camera:
    """A ``Scenario`` that takes pictures, and cuts the episode after the last one.

    Attributes:
      broken: rendering failed, rather than the scenario or the policy.
    """

    def __init__(self, scenario: Scenario, frames: int, every: int) -> None:
        self._scenario, self._frames, self._every = scenario, frames, every
        self._step = 0
        self.pictures: list[np.ndarray] = []
        self.steps: list[int] = []
        self.broken = False

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario's spec."""
        return self._scenario.spec

    def reset(self, seed: int | None = None) -> Frame:
        """Begin an episode."""
        frame = self._scenario.reset(seed)
        self._take()
        return frame

    def step(self, actions: np.ndarray) -> Frame:
        """Apply a joint action; the one after the last picture comes with the time limit."""
        frame = self._scenario.step(actions)
        self._step += 1
        if self._step % self._every == 0:
            self._take()
        return frame._replace(truncated=frame.truncated or len(self.pictures) >= self._frames)

    def render(self) -> np.ndarray:
        """Return the current picture."""
        return self._scenario.render()

    def close(self) -> None:
        """Free the environment."""
        self._scenario.close()

    def _take(self) -> None:
        if len(self.pictures) >= self._frames:
            return
        self.broken = True
        self.pictures.append(self.render())
        self.broken = False
        self.steps.append(self._step)
