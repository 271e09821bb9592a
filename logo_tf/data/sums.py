"""Means, deviations and ranges of numbers that come some at a time."""

from __future__ import annotations

import numpy as np


class Sums:
    """Sums over rows that come some at a time, first of values, then of squares.

    Attributes:
      count: how many rows were added.
      low, high: (D,) float32, of each column; infinite where there is no row.
    """

    def __init__(self, width: int) -> None:
        """Args: width: D, columns of a row."""
        self.count = 0
        self._total = np.zeros(width)
        self._squares = np.zeros(width)
        self.low = np.full(width, np.inf, np.float32)
        self.high = np.full(width, -np.inf, np.float32)

    @property
    def mean(self) -> np.ndarray:
        """(D,) float64; 0 where there is no row."""
        return self._total / max(self.count, 1)

    @property
    def std(self) -> np.ndarray:
        """(D,) float64, the population's, when all rows have been added twice."""
        return np.sqrt(self._squares / max(self.count, 1))

    def add(self, values: np.ndarray) -> None:
        """Add rows (M, D)."""
        self.count += len(values)
        self._total += np.sum(values, axis=0, dtype=np.float64)
        if len(values):
            self.low = np.minimum(self.low, np.min(values, axis=0))
            self.high = np.maximum(self.high, np.max(values, axis=0))

    def add_squares(self, values: np.ndarray) -> None:
        """Add the same rows once more, when all have been added."""
        self._squares += np.sum(np.square(values - self.mean), axis=0)
