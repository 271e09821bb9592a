"""Scores over seeds and tasks: interquartile means and their like, with bootstrap intervals.

All of it is rliable's (Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice", 2021): intervals are of 95 %, by a bootstrap of the seeds within
each task. They say what other seeds would give on the same tasks, nothing of other tasks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

_REPETITIONS = 2000


class Estimate(NamedTuple):
    """A statistic and the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Profile(NamedTuple):
    """How large a share of the runs is above each threshold: (K,) each."""

    thresholds: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Aggregate(NamedTuple):
    """What there is to say of scores over seeds and tasks; arm -> estimate.

    interquartile_means: the mean of the middle half of the runs; means: of all; improvement:
    how probable it is that a run beats one of the baseline on the same task.
    """

    interquartile_means: dict[str, Estimate]
    means: dict[str, Estimate]
    improvement: dict[str, Estimate]


def aggregate(scores: Mapping[str, np.ndarray], baseline: str, seed: int = 0) -> Aggregate:
    """All of it; arguments as those of ``improvement``."""
    return Aggregate(
        interquartile_means(scores, seed),
        means(scores, seed),
        improvement(scores, baseline, seed),
    )


def interquartile_means(scores: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Estimate]:
    """The mean of the middle half of an arm's runs.

    Args:
      scores: arm -> (K, M), of K seeds on M tasks.
      seed: fixes the bootstrap.
    """
    from rliable.metrics import aggregate_iqm

    return _estimates(scores, aggregate_iqm, seed)


def means(scores: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Estimate]:
    """The mean over seeds and tasks; arguments as those of ``interquartile_means``."""
    from rliable.metrics import aggregate_mean

    return _estimates(scores, aggregate_mean, seed)


def improvement(
    scores: Mapping[str, np.ndarray], baseline: str, seed: int = 0
) -> dict[str, Estimate]:
    """How probable it is that a run of an arm beats one of the baseline on the same task.

    Ties count half; the mean over tasks.

    Args:
      scores: arm -> (K, M), of K seeds on M tasks.
      baseline: the arm that each of the others is compared with.
      seed: fixes the bootstrap.
    """
    from rliable.metrics import probability_of_improvement

    pairs = {
        name: [values, scores[baseline]] for name, values in scores.items() if name != baseline
    }
    return _estimates(pairs, probability_of_improvement, seed)


def performance_profiles(
    scores: Mapping[str, np.ndarray], thresholds: np.ndarray, seed: int = 0
) -> dict[str, Profile]:
    """The share of runs above each threshold.

    Args:
      scores: arm -> (K, M), of K seeds on M tasks.
      thresholds: (T,), ascending.
      seed: fixes the bootstrap.
    """
    from rliable.library import create_performance_profile

    with _reproducible(seed):
        shares, intervals = create_performance_profile(dict(scores), thresholds, reps=_REPETITIONS)
    return {name: Profile(thresholds, shares[name], *intervals[name]) for name in scores}


def _estimates(
    scores: Mapping[str, np.ndarray | list[np.ndarray]],
    statistic: Callable[..., float],
    seed: int,
) -> dict[str, Estimate]:
    from rliable.library import get_interval_estimates

    with _reproducible(seed):
        points, intervals = get_interval_estimates(
            dict(scores), lambda *runs: np.array([statistic(*runs)]), reps=_REPETITIONS
        )
    return {
        name: Estimate(float(points[name][0]), *(float(end[0]) for end in intervals[name]))
        for name in scores
    }


@contextlib.contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    """Fix NumPy's global generator, which rliable draws from, and give it back as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
