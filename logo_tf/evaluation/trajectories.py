"""Held-out stretches as a model imagines them, beside what happened: arrays for pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logo_tf.world_model.calibration import Calibration
from logo_tf.world_model.judging.errors import state_error
from logo_tf.world_model.judging.foresight import Foresight


class ForeseenStates(NamedTuple):
    """B windows of T steps over the D state dimensions that are predicted and vary; raw units.

    start: (B, D) where the imagination begins; predicted, spread (sigma), true:
    (T, B, D); mask: (T, B) bool, whether the logged episode still lasted; uncertainty
    and error (root mean square over the dimensions, in standard deviations): (T, B);
    bound: (T, B) on that error, as the model's calibration states it, NaN where it states
    none; std: (D,) of the dataset; dims: (D,) the dimensions' numbers.
    """

    start: np.ndarray
    predicted: np.ndarray
    spread: np.ndarray
    true: np.ndarray
    mask: np.ndarray
    uncertainty: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    std: np.ndarray
    dims: np.ndarray

    def changes(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """How far the state moved within the first ``step`` steps, in standard deviations.

        Returns:
          (M, D) predicted and (M, D) true, of the M windows that last so long.
        """
        rows = self.mask[step - 1]
        moves = (
            (states[step - 1] - self.start)[rows] / self.std
            for states in (self.predicted, self.true)
        )
        predicted, true = moves
        return predicted, true

    def ranked(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(M,) uncertainty and (M,) true error at a step, of the windows that last so long."""
        rows = self.mask[step - 1]
        return self.uncertainty[step - 1][rows], self.error[step - 1][rows]


class Trajectory(NamedTuple):
    """One stretch over chosen state dimensions; row 0 is where the imagination begins.

    true, imagined, spread: (K + 1, D) raw units, spread being the predicted sigma of each
    step; error, bound: (K + 1,) of the whole state, in standard deviations.
    """

    true: np.ndarray
    imagined: np.ndarray
    spread: np.ndarray
    error: np.ndarray
    bound: np.ndarray


def foreseen_states(
    seen: Foresight, scale: np.ndarray, calibration: Calibration | None
) -> ForeseenStates:
    """Take the states out of a foresight.

    Args:
      seen: what a model foresaw.
      scale: (S,) of ``state_scale``: standard deviations, 0 for dimensions that do not count.
      calibration: the model's, if it has one.
    """
    dims = np.flatnonzero(scale > 0)
    uncertainty = seen.predicted.uncertainty
    bound = np.full_like(uncertainty, np.nan)
    if calibration is not None:
        stated = calibration.bounds(uncertainty)
        bound[: len(stated)] = stated
    return ForeseenStates(
        start=seen.true.state[0][..., dims],
        predicted=seen.predicted.state[..., dims],
        spread=seen.predicted.state_std[..., dims],
        true=seen.true.next_state[..., dims],
        mask=seen.mask > 0,
        uncertainty=uncertainty,
        error=state_error(seen, scale),
        bound=bound,
        std=scale[dims],
        dims=dims,
    )


def relative_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(D,) error of changes (M, D) over that of persistence; NaN where nothing ever changes."""
    error = np.sqrt(np.mean(np.square(predicted - true), axis=0))
    persistence = np.sqrt(np.mean(np.square(true), axis=0))
    return np.divide(error, persistence, out=np.full_like(error, np.nan), where=persistence > 0)


def rank_dimensions(errors: np.ndarray) -> np.ndarray:
    """(D,) places of errors from the worst to the best, those without an error (NaN) last."""
    return np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")


def choose_windows(states: ForeseenStates, lasting: int, count: int) -> np.ndarray:
    """The first windows that last some steps; the longest where too few do.

    Those that last the longest would not do: battles that go on for ever stand still.
    """
    return np.argsort(-np.minimum(states.mask.sum(axis=0), lasting), kind="stable")[:count]


def choose_dimensions(
    states: ForeseenStates, windows: np.ndarray, step: int, count: int
) -> np.ndarray:
    """Pick dimensions that move in some windows, from the worst to the best predicted of all.

    Args:
      states: of all windows.
      windows: those that will be shown.
      step: the step whose error ranks the dimensions.
      count: how many.

    Returns:
      (at most ``count``,) places in D, among the half that moves most.
    """
    mask = states.mask[:, windows, None]
    shown = states.true[:, windows]
    high, low = np.where(mask, shown, -np.inf), np.where(mask, shown, np.inf)
    moved = np.mean(high.max(axis=0) - low.min(axis=0), axis=0) / states.std
    moving = np.argsort(-moved, kind="stable")[: max(count, len(moved) // 2)]
    ranked = moving[rank_dimensions(relative_errors(*states.changes(step))[moving])]
    return ranked[np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int)]


def trajectory(states: ForeseenStates, window: int, places: np.ndarray) -> Trajectory:
    """Cut one window out, as long as its episode lasted.

    Args:
      states: of all windows.
      window: which one, 0 to B - 1.
      places: (D',) places in D of the dimensions to show.
    """
    steps = int(states.mask[:, window].sum())
    first = states.start[window, places]

    def cut(first: np.ndarray | float, later: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(first)[None], later])

    at = (slice(steps), window, places)
    return Trajectory(
        true=cut(first, states.true[at]),
        imagined=cut(first, states.predicted[at]),
        spread=cut(np.zeros_like(first), states.spread[at]),
        error=cut(0.0, states.error[:steps, window]),
        bound=cut(np.nan, states.bound[:steps, window]),
    )
