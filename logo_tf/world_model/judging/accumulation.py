"""From the uncertainty of each step of a branch to a signal of the error after k steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Accumulation = Literal["step", "max", "sum", "rms"]


def _rms(uncertainty: np.ndarray) -> np.ndarray:
    count = np.arange(1, len(uncertainty) + 1)[:, None]
    return np.sqrt(np.cumsum(np.square(uncertainty), axis=0) / count)


ACCUMULATIONS: dict[Accumulation, Callable[[np.ndarray], np.ndarray]] = {
    "step": np.asarray,
    "max": lambda uncertainty: np.maximum.accumulate(uncertainty, axis=0),
    "sum": lambda uncertainty: np.cumsum(uncertainty, axis=0),
    "rms": _rms,
}
"""By name, functions of u (T, B) along B branches that give a signal (T, B): that of the
``step`` itself, or the ``max``, ``sum`` or ``rms`` of the branch so far. At the first step
all are u."""
