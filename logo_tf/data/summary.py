"""How numbers are spread, in seven of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from logo_tf.data.quartiles import Quartiles
from logo_tf.data.sums import Sums


@dataclasses.dataclass(frozen=True)
class Summary:
    """How numbers are spread; std is the population's."""

    mean: float
    std: float
    min: float
    lower_quartile: float
    median: float
    upper_quartile: float
    max: float

    @classmethod
    def of(cls, values: np.ndarray) -> Summary:
        """Summarise (M,) numbers, M >= 1."""
        values = np.asarray(values, np.float64)
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(
            mean=float(values.mean()),
            std=float(values.std()),
            min=float(values.min()),
            lower_quartile=float(low),
            median=float(middle),
            upper_quartile=float(high),
            max=float(values.max()),
        )


class SummaryTally:
    """A ``Summary`` of float32 numbers that come some at a time, all of them twice."""

    def __init__(self) -> None:
        self._sums, self._quartiles = Sums(1), Quartiles()

    def add(self, values: np.ndarray) -> None:
        """Add (M,) numbers."""
        self._sums.add(values[:, None])
        self._quartiles.add(values)

    def add_again(self, values: np.ndarray) -> None:
        """Add the same numbers once more, when all have been added."""
        self._sums.add_squares(values[:, None])
        self._quartiles.add_again(values)

    def result(self) -> Summary:
        """Return what ``Summary.of`` says of all numbers, but for rounding of mean and std."""
        low, middle, high = self._quartiles.result()
        return Summary(
            mean=float(self._sums.mean[0]),
            std=float(self._sums.std[0]),
            min=float(self._sums.low[0]),
            lower_quartile=low,
            median=middle,
            upper_quartile=high,
            max=float(self._sums.high[0]),
        )
