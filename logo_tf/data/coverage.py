"""How much of the state space a dataset visits, in figures that cost a second at any size."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from logo_tf import seeds
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.store import Dataset

# States beyond this many are left to chance: both figures have settled long before.
_ROWS = 50_000
# Few enough planes that a cell holds dozens of states, or a small dataset would seem to
# leave out what it was too small to reach.
_PLANES = 10


@dataclasses.dataclass(frozen=True)
class StateCoverage:
    """How the states that agents acted in are spread, each dimension standardised.

    Dimensions that never change, or only repeat the last joint action, are left out. Both
    figures describe the shape of the cloud of states, not its extent. Of more than 50,000
    states so many are drawn: each correlation is then within a standard error of 0.005 of
    that of all, each cell's share within 0.003, and a cell with 1 state in 10,000 is missed
    with a chance of 1 %.

    Attributes:
      rows: M, how many states were looked at, drawn with a fixed seed.
      dimensions: D, how many dimensions change.
      effective_rank: 1 to D, along how many directions the states vary, counted as if they
        did so evenly: exp of the entropy of the correlation matrix's eigenvalues, taken
        as shares (Roy and Vetterli 2007, "The effective rank").
      cells: 2^10, or 2^D if that is less, into which fixed random planes through the mean
        state, at right angles to each other, cut the space: SimHash, by which Tang et al.
        2017, "#Exploration", count visits.
      visited: how many of these cells hold a state.
      evenness: 0 to 1, entropy of the cells' shares of the states over that of equal
        shares: 1 for a round cloud, near 0 where a few states are visited over and over.
    """

    rows: int
    dimensions: int
    effective_rank: float
    cells: int
    visited: int
    evenness: float


def state_coverage(dataset: Dataset, scale: Standardisation) -> StateCoverage:
    """Measure at most 50,000 states that agents acted in.

    Args:
      dataset: the dataset.
      scale: of all of it.
    """
    states = standardised_states(dataset, scale)
    rows, width = states.shape
    if not width:
        return StateCoverage(rows, 0, 0.0, 1, 1, 0.0)
    variances = np.linalg.eigvalsh(states.T @ states / rows)
    count = min(_PLANES, width)
    drawn = seeds.generator(0, "state_coverage", "planes").normal(size=(width, count))
    sides = states @ np.linalg.qr(drawn)[0] > 0
    shares = np.unique(sides @ (1 << np.arange(count)), return_counts=True)[1] / rows
    return StateCoverage(
        rows=rows,
        dimensions=width,
        effective_rank=math.exp(_entropy(variances / variances.sum())),
        cells=2**count,
        visited=len(shares),
        evenness=_entropy(shares) / math.log(2**count),
    )


def standardised_states(dataset: Dataset, scale: Standardisation) -> np.ndarray:
    """(M, D) float64: a fixed draw of the states acted in, of the dimensions that change."""
    index = dataset.transitions()
    drawn = np.arange(min(len(index), _ROWS))
    if len(index) > _ROWS:
        rng = seeds.generator(0, "state_coverage", "rows")
        drawn = np.sort(rng.choice(len(index), _ROWS, replace=False))
    real = ~scale.state_constant & (dataset.spec.predicted_state_mask > 0)
    states = np.asarray(dataset.field("state")[index[drawn]][:, real], np.float64)
    return (states - scale.state_mean[real]) / scale.state_std[real]


def _entropy(shares: np.ndarray) -> float:
    """In nats, of shares that sum to 1."""
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))
