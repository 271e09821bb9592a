"""From uncertainty to an error that can be stated: split conformal bounds on held-out episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.config import from_dict, require, to_dict
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset
from logo_tf.errors import LogoError
from logo_tf.world_model.config import Accumulation
from logo_tf.world_model.judging.accumulation import accumulate
from logo_tf.world_model.judging.conformal import conformal_quantile, isotonic_knots
from logo_tf.world_model.judging.coverage import measured_coverage
from logo_tf.world_model.judging.errors import state_error, state_scale
from logo_tf.world_model.judging.foresight import Foresight, draw_windows, foresee
from logo_tf.world_model.protocol import WorldModel

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_STARTS = 4000
_MIN_ROWS = 10
_MIN_EPISODES = 4


@dataclasses.dataclass(frozen=True)
class StepBound:
    """The bound after k open-loop steps: a rising line through knots, times a factor.

    Attributes:
      signals: (J,) knots of the signal, rising.
      errors: (J,) the error expected there, never falling, above 0.
      factors: (levels,) conformal quantiles of error / expected error, one a level.
      rows: how many held-out rows the factors were measured on.
    """

    signals: tuple[float, ...]
    errors: tuple[float, ...]
    factors: tuple[float, ...]
    rows: int

    def __post_init__(self) -> None:
        rising = np.all(np.diff(self.signals) > 0) and np.all(np.diff(self.errors) >= 0)
        require(
            0 < len(self.signals) == len(self.errors) and bool(rising) and self.errors[0] > 0,
            "calibration: knots must rise and fit each other; train the world model again",
        )

    def expected(self, signal: Any) -> Any:
        """The error that the fit expects at signals (...), float32, NumPy or TensorFlow.

        Constant below the first knot; above the last one it grows in proportion to the
        signal, which no data bear out, but which errs on the safe side.
        """
        graph = tf.is_tensor(signal)
        clip, maximum = (tf.clip_by_value, tf.maximum) if graph else (np.clip, np.maximum)
        total = tf.reduce_sum if graph else np.sum
        knots, errors = (np.asarray(values, np.float32) for values in (self.signals, self.errors))
        # What lies below the signal in each piece, summed: no search, no gather, monotone.
        passed = clip((signal[..., None] - knots[:-1]) / np.diff(knots), 0.0, 1.0)
        line = errors[0] + total(passed * np.diff(errors), axis=-1)
        return line * maximum(signal / knots[-1], 1.0) if len(knots) > 1 else line


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Turns uncertainty into an upper bound of the true state error, with a stated coverage.

    The error after k steps is ``e_k = || (s_k - ŝ_k) / scale || / sqrt(dims)``, the root
    mean square over predicted state dimensions in standard deviations. Its bound is

    ```
    bound_k = q_k f_k(a(u_1 .. u_k))
    ```

    with a the accumulation, f_k an isotonic fit of the error on one half of the held-out
    episodes, and q_k the ``ceil(coverage (n + 1))``-th smallest of the n ratios
    ``e_k / f_k`` on the other half (split conformal with normalised scores: Lei et al.,
    JASA 2018, 5.2). On rows exchangeable with those n the error stays below the bound with
    at least the stated chance, however wrong f_k is. Rows of one episode resemble each
    other, so halves are whole episodes; with few of them the coverage varies by more than
    n suggests, so measure it on other ones: ``coverage_of``. Nothing is stated about
    states or actions unlike the data's.

    Attributes:
      coverage: the stated one, one of ``levels``.
      accumulation: a, how uncertainty along a branch becomes the signal.
      levels: nominal coverages for which there are factors, rising.
      scale: (S,) standard deviation of each state dimension; 0 where it is not counted.
      steps: (H,) bounds for k = 1..H.
      episodes: how many held-out episodes it was measured on.
    """

    coverage: float
    accumulation: Accumulation
    levels: tuple[float, ...]
    scale: tuple[float, ...]
    steps: tuple[StepBound, ...]
    episodes: int

    def __post_init__(self) -> None:
        require(
            self.coverage in self.levels,
            f"calibration: coverage {self.coverage} is not among its levels {list(self.levels)}",
        )
        require(
            bool(self.steps) and all(len(s.factors) == len(self.levels) for s in self.steps),
            "calibration: it needs a step, and a factor for each level; "
            "train the world model again",
        )

    @property
    def horizon(self) -> int:
        """H, the farthest step with a bound."""
        return len(self.steps)

    def bound(self, uncertainty: Any, step: int = 1, coverage: float | None = None) -> Any:
        """Bound the state error; NumPy in, NumPy out; of a tensor, plain TensorFlow ops.

        Args:
          uncertainty: (...) accumulated along the branch: u itself at the first step.
          step: k, 1 to H.
          coverage: one of ``levels``; the stated one by default.

        Returns:
          (...) float32 bounds, in standard deviations, never falling as u rises.

        Raises:
          LogoError: no such step or level.
        """
        coverage = self.coverage if coverage is None else coverage
        require(
            1 <= step <= self.horizon,
            f"calibration: there are bounds for steps 1 to {self.horizon}, not {step}",
        )
        require(
            coverage in self.levels,
            f"calibration: there are bounds for coverages {list(self.levels)}, not {coverage}",
        )
        if not tf.is_tensor(uncertainty):
            uncertainty = np.asarray(uncertainty, np.float32)
        line = self.steps[step - 1]
        return line.expected(uncertainty) * np.float32(line.factors[self.levels.index(coverage)])

    def bounds(self, uncertainty: np.ndarray, coverage: float | None = None) -> np.ndarray:
        """Bound the error at each step of branches.

        Args:
          uncertainty: (T, B) u along B branches; steps past H are left out.
          coverage: as ``bound``'s.

        Returns:
          (min(T, H), B) float32.
        """
        signal = accumulate(uncertainty, self.accumulation)[: self.horizon]
        return np.stack([self.bound(row, k, coverage) for k, row in enumerate(signal, start=1)])

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold; ``from_dict`` is its inverse, exactly."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Read back ``to_dict``.

        Raises:
          LogoError: a field is missing, unknown or does not fit.
        """
        return from_dict(cls, data, "calibration")


def calibrate(
    model: WorldModel,
    dataset: Dataset,
    episodes: np.ndarray | None,
    seed: int,
    coverage: float = 0.9,
    horizon: int = 15,
    accumulation: Accumulation = "step",
) -> Calibration:
    """Measure, on held-out episodes, how large errors are at each uncertainty.

    With fewer than 4 episodes there are no two halves worth the name, and the bound is a
    constant: the conformal quantile of the error itself.

    Args:
      model: any world model.
      dataset: where the episodes are; its standard deviations are the errors' unit.
      episodes: indices of held-out episodes, none of which gave gradients; None means all.
      seed: fixes the halves and the rows.
      coverage: the stated one, above 0 and below 1.
      horizon: H at most; steps that fewer than 10 rows reach have no bound.
      accumulation: what signals the error at a step. On HalfCheetah the ``rms`` ranks it
        best at late steps (Spearman .54 against .47 at k = 15) and on 3m the ``step``
        (.41 against .06), which also gives bounds as narrow on the former.

    Raises:
      LogoError: a coverage outside of 0 to 1, no episode, or fewer than 10 rows to
        calibrate on (more for coverages above .9).
    """
    require(0 < coverage < 1, f"calibration: coverage must be above 0 and below 1, got {coverage}")
    seen = foresee(model, draw_windows(dataset, episodes, horizon, _STARTS, seed, model.context))
    scale = state_scale(standardisation(dataset), dataset.spec)
    error = state_error(seen, scale)
    signal = accumulate(seen.predicted.uncertainty, accumulation)
    fitting = _for_the_fit(seen, seed)
    levels = tuple(sorted({*LEVELS, coverage}))
    # Fewer rows cannot state the coverage: the quantile would lie above all of them.
    needed = max(_MIN_ROWS, int(np.ceil(round(coverage / (1 - coverage), 6))))
    steps = []
    for k in range(horizon):
        fitted, rest = ((seen.mask[k] > 0) & half for half in (fitting, ~fitting))
        if rest.sum() < needed:
            break
        knots = isotonic_knots(signal[k][fitted], error[k][fitted])
        line = StepBound(*knots, factors=(), rows=int(rest.sum()))
        ratio = error[k][rest] / line.expected(signal[k][rest])
        factors = tuple(conformal_quantile(ratio, level) for level in levels)
        steps.append(dataclasses.replace(line, factors=factors))
    if not steps:
        raise LogoError(
            f"{dataset.path}: too few held-out rows to state a coverage of {coverage:g}, which "
            f"takes {needed}; hold out more episodes"
        )
    count = len(np.unique(seen.episodes))
    return Calibration(coverage, accumulation, levels, tuple(scale.tolist()), tuple(steps), count)


def coverage_of(
    model: WorldModel,
    calibration: Calibration,
    dataset: Dataset,
    episodes: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    """Measure the coverage on episodes that the calibration has not seen.

    Args:
      model: the one that was calibrated.
      calibration: its bounds.
      dataset: where the episodes are.
      episodes: their indices, such as the test part of a split; None means all.
      seed: fixes the rows and the bootstrap.

    Returns:
      What ``measured_coverage`` says, for JSON.

    Raises:
      LogoError: no episode, or an index out of range.
    """
    windows = draw_windows(dataset, episodes, calibration.horizon, _STARTS, seed, model.context)
    return measured_coverage(calibration, foresee(model, windows), seed)


def _for_the_fit(seen: Foresight, seed: int) -> np.ndarray:
    """(B,) bool: windows of the first half of the episodes, dealt at random; none of too few."""
    names = np.unique(seen.episodes)
    half = len(names) // 2 if len(names) >= _MIN_EPISODES else 0
    dealt = seeds.generator(seed, "halves").permutation(names)
    return np.isin(seen.episodes, dealt[:half])
