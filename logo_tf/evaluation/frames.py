"""A strip of pictures of the team acting, where this machine can render.

The policy needs TensorFlow, and the renderer must not share a process with it: Mesa's
software OpenGL and TensorFlow each bring an LLVM of their own, and the first picture
then ends the process (segmentation fault, seen with TensorFlow 2.21 and Mesa 22.3). So
the episode is played here, and its actions are played again, and pictured, by a
process that never imports TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

import logo_tf
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Frame, Scenario, TeamPolicy
from logo_tf.scenarios.registry import make_scenario
from logo_tf.specs import ScenarioSpec

_TIMEOUT = 120.0  # seconds; a driver that hangs must not hold the run
ACTIONS, PICTURES = "actions.npy", "pictures.npy"


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
    recorder = _Recorder(make_scenario(scenario), (frames - 1) * every)
    try:
        if recorder.limit:
            for _ in play([recorder], policy, episodes=1, seed=seed):
                pass
    finally:
        recorder.close()
    steps = tuple(range(0, len(recorder.actions) + 1, every))
    with tempfile.TemporaryDirectory(prefix="logo-tf-frames-") as folder:
        np.save(Path(folder) / ACTIONS, recorder.stacked(), allow_pickle=False)
        reason = _render(scenario, recorder.seed, every, Path(folder))
        if reason:
            return FrameStrip((), (), reason)
        pictures = np.load(Path(folder) / PICTURES, allow_pickle=False)
    return FrameStrip(tuple(pictures), steps, "")


def _render(scenario: str, seed: int | None, every: int, folder: Path) -> str:
    """Have ``PICTURES`` made; return why it could not be, or ""."""
    package = str(Path(logo_tf.__file__).absolute().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    words = [scenario, str(0 if seed is None else seed), str(every), str(folder)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "logo_tf.evaluation.render_process", *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
            cwd=folder,  # MuJoCo leaves a log of its warnings in the working folder
        )
    except subprocess.TimeoutExpired:
        return f"rendering took more than {_TIMEOUT:.0f} seconds"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"rendering crashed (signal {-done.returncode}) in this machine's OpenGL driver"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"rendering failed with exit code {done.returncode}"


class _Recorder:
    """A ``Scenario`` that keeps seed and actions and cuts after so many steps."""

    def __init__(self, scenario: Scenario, limit: int) -> None:
        self._scenario = scenario
        self.limit = limit
        self.seed: int | None = 0
        self.actions: list[np.ndarray] = []

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario's spec."""
        return self._scenario.spec

    def reset(self, seed: int | None = None) -> Frame:
        """Begin an episode."""
        self.seed = seed
        return self._scenario.reset(seed)

    def step(self, actions: np.ndarray) -> Frame:
        """Apply a joint action; the last one comes with the time limit."""
        self.actions.append(np.array(actions))
        frame = self._scenario.step(actions)
        return frame._replace(truncated=frame.truncated or len(self.actions) >= self.limit)

    def render(self) -> np.ndarray:
        """Return the current picture."""
        return self._scenario.render()

    def close(self) -> None:
        """Free the environment."""
        self._scenario.close()

    def stacked(self) -> np.ndarray:
        """(T, ...) the joint actions."""
        shape = (0, *self.spec.action_shape)
        empty = np.zeros(shape, self.spec.action_dtype)
        return np.stack(self.actions) if self.actions else empty
