"""Draws choices by their weights."""

from __future__ import annotations

import numpy as np


def draw(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one of A choices in proportion to the weights.

    Args:
      weights: (..., A), at least 0 and with a positive sum; a choice of weight 0 is
        never drawn.
      rng: one uniform number is drawn for each row, of the shape (..., 1).

    Returns:
      (...) int32.
    """
    # Counting the sums at or below the draw skips weights of 0 at either end as well: the
    # draw is at least 0 and below the sum of all, in float64 without rounding up to it.
    sums = np.cumsum(weights, axis=-1, dtype=np.float64)
    at = rng.random((*weights.shape[:-1], 1)) * sums[..., -1:]
    return np.asarray(np.sum(sums <= at, axis=-1, dtype=np.int32))
