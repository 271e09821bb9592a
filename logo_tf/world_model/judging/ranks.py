"""Figures that depend on the order of values alone."""

from __future__ import annotations

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1 to M of (M,) values, ties at their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[place]


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rank correlation of two (M,) arrays; None where one does not vary."""
    if len(a) < 2:
        return None
    ranked = [ranks(np.asarray(values)) for values in (a, b)]
    if min(np.ptp(one) for one in ranked) == 0:
        return None
    return float(np.corrcoef(ranked[0], ranked[1])[0, 1])


def auc(low: np.ndarray, high: np.ndarray) -> float | None:
    """The chance that a value of ``high`` (M,) exceeds one of ``low`` (K,), ties counting half.

    That is the area under the ROC curve (Mann and Whitney, 1947); .5 says nothing.

    Returns:
      0 to 1; None where a side is empty.
    """
    if not len(low) or not len(high):
        return None
    both = ranks(np.concatenate([low, high]))
    wins = np.sum(both[len(low) :]) - len(high) * (len(high) + 1) / 2.0
    return float(wins / (len(low) * len(high)))
