"""Quartiles of numbers too many to be sorted, without an error."""

from __future__ import annotations

import numpy as np

_SHARES = (0.25, 0.5, 0.75)
_HALF = 16  # bits: of a number of 32, and of what is counted at once
_SIGN = np.uint32(2**31)


class Quartiles:
    """Quartiles of float32 numbers that come some at a time, all of them twice.

    The bits of a float32 sort as the number does. The first time their upper halves are
    counted, which tells in whose cells the quartiles lie; the second time the lower halves
    in these cells alone.
    """

    def __init__(self) -> None:
        self._uppers = np.zeros(2**_HALF, np.int64)
        self._lowers: dict[int, np.ndarray] = {}

    def add(self, values: np.ndarray) -> None:
        """Add (M,) numbers."""
        self._uppers += np.bincount(_keys(values) >> _HALF, minlength=2**_HALF)

    def add_again(self, values: np.ndarray) -> None:
        """Add the same numbers once more, when all have been added."""
        if not self._lowers:
            cells = {self._cell(rank)[0] for pair, _ in self._ranks() for rank in pair}
            self._lowers = {cell: np.zeros(2**_HALF, np.int64) for cell in cells}
        keys = _keys(values)
        for cell, counts in self._lowers.items():
            inside = keys[keys >> _HALF == cell] & (2**_HALF - 1)
            counts += np.bincount(inside, minlength=2**_HALF)

    def result(self) -> tuple[float, float, float]:
        """Return what ``np.quantile`` says of all numbers, as float64."""
        low, middle, high = (
            float(np.quantile([self._value(rank) for rank in pair], between))
            for pair, between in self._ranks()
        )
        return low, middle, high

    def _ranks(self) -> list[tuple[tuple[int, int], float]]:
        """The two ranks that each quartile lies between, and where."""
        last = int(self._uppers.sum()) - 1
        places = [last * share for share in _SHARES]
        return [((int(p), min(int(p) + 1, last)), p - int(p)) for p in places]

    def _cell(self, rank: int) -> tuple[int, int]:
        """The cell in which the number of a rank lies, and its rank there."""
        ends = np.cumsum(self._uppers)
        cell = int(np.searchsorted(ends, rank, side="right"))
        return cell, rank - int(ends[cell] - self._uppers[cell])

    def _value(self, rank: int) -> float:
        cell, inside = self._cell(rank)
        lower = np.searchsorted(np.cumsum(self._lowers[cell]), inside, side="right")
        key = np.uint32(cell << _HALF | int(lower))
        return float((~key if key < _SIGN else key ^ _SIGN).view(np.float32))


def _keys(values: np.ndarray) -> np.ndarray:
    """(M,) uint32 that sort as (M,) float32 do; 0 and -0 are the same."""
    bits = (np.asarray(values, np.float32) + 0).view(np.uint32)
    return np.where(bits < _SIGN, bits ^ _SIGN, ~bits)
