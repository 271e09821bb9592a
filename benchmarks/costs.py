"""What a training step of a world model costs: CPU seconds, so that other work matters little."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from logo_tf.config import override
from logo_tf.data.store import Dataset
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model


class StepCost(NamedTuple):
    """CPU seconds of one gradient step, one-step and with open-loop steps."""

    one_step: float
    unrolled: float


class _EnoughError(Exception):
    """Ends a training that has been timed."""


class CpuClock:
    """A logger that keeps the process's CPU time at each line of metrics, up to the fifth."""

    def __init__(self) -> None:
        """Start without marks."""
        self.seconds: list[float] = []

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep the time."""
        del step, metrics
        self.seconds.append(time.process_time())
        if len(self.seconds) == 5:
            raise _EnoughError

    def close(self) -> None:
        """Nothing is held."""


def step_cost(dataset: Dataset, config: WorldModelConfig, every: int = 20) -> StepCost:
    """Train for five lines of metrics, the last two unrolled, and time what is between.

    Args:
      dataset: the data.
      config: the model; its number of steps is ignored.
      every: steps a line.

    Returns:
      Costs without the first line of each kind of step, which holds the tracing.
    """
    clock = CpuClock()
    settings = [
        f"steps={6 * every}",
        "unroll_share=0.5",
        f"log_every={every}",
        f"validate_every={6 * every}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        with contextlib.suppress(_EnoughError):
            train_world_model(dataset, override(config, settings), 0, out, [clock])
    s = clock.seconds
    return StepCost((s[2] - s[0]) / (2 * every), (s[4] - s[3]) / every)
