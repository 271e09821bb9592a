"""The two halves of a conformal bound: an isotonic fit, and a quantile of what it missed."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

# A knot is the mean of at least this many rows, so that noise does not look like a slope.
_ROWS_A_KNOT = 20
_MAX_KNOTS = 24
_TINY = 1e-8


def isotonic_knots(
    signal: np.ndarray, error: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit the expected error as a rising function of the signal.

    Args:
      signal: (M,) what should rise with the error.
      error: (M,) at least 0.

    Returns:
      Knots of the signal, rising, and the errors there, never falling and above 0: means
      of equal shares of the rows, made monotone by pooling adjacent violators. One knot at
      0, of error 1, where there are too few rows or the signal never varies.
    """
    count = min(len(signal) // _ROWS_A_KNOT, _MAX_KNOTS)
    if count < 2:
        return (0.0,), (1.0,)
    bins = np.array_split(np.argsort(signal, kind="stable"), count)
    # Float32 is what is served: knots that it cannot tell apart are one.
    means = np.array([signal[part].mean(dtype=np.float64) for part in bins], np.float32)
    errors = np.array([error[part].mean(dtype=np.float64) for part in bins])
    knots, place, times = np.unique(means, return_inverse=True, return_counts=True)
    if len(knots) < 2:
        return (0.0,), (1.0,)
    pooled = np.bincount(place, weights=errors) / times
    rising = isotonic_regression(pooled, weights=times).x
    return tuple(knots.tolist()), tuple(np.maximum(rising, _TINY).tolist())


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ``ceil(coverage (n + 1))``-th smallest of n scores.

    A further score, exchangeable with these, is at most that with a chance of at least
    ``coverage``.

    Args:
      scores: (n,) in any order.
      coverage: 0 to 1; where n is below coverage / (1 - coverage) the largest score is
        returned, and the coverage only approached.
    """
    # Rounded, for in floating point .9 * 10 may lie above 9.
    rank = int(np.ceil(round(coverage * (len(scores) + 1), 6)))
    return float(np.sort(scores)[min(max(rank, 1), len(scores)) - 1])
