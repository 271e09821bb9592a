"""How often a calibration's bounds hold on episodes it was not measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from logo_tf import seeds
from logo_tf.world_model.judging.errors import state_error
from logo_tf.world_model.judging.foresight import Foresight

if TYPE_CHECKING:
    from logo_tf.world_model.calibration import Calibration

_RESAMPLES = 400


def measured_coverage(calibration: Calibration, seen: Foresight, seed: int) -> dict[str, Any]:
    """Count how often the true error stays below the bound at the stated coverage.

    Args:
      calibration: the bounds.
      seen: predictions of episodes, in the calibration's scenario.
      seed: fixes the bootstrap.

    Returns:
      For JSON: ``nominal``, ``episodes``, and lists over ``step`` 1, 2, ..: ``coverage``,
      its ``low`` and ``high`` (the central 90 % of a bootstrap over episodes), the mean
      ``bound`` and the mean ``error``, in standard deviations, and the ``rows`` counted.
    """
    scale = np.asarray(calibration.scale, np.float32)
    bounds = calibration.bounds(seen.predicted.uncertainty)
    errors = state_error(seen, scale)
    names, episode = np.unique(seen.episodes, return_inverse=True)
    rng = seeds.generator(seed, "bootstrap")
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES)
    found: dict[str, Any] = {
        "nominal": calibration.coverage,
        "episodes": len(names),
        **{name: [] for name in ("step", "coverage", "low", "high", "bound", "error", "rows")},
    }
    for k, bound in enumerate(bounds, start=1):
        mask, error = seen.mask[k - 1], errors[k - 1]
        if not mask.any():
            break
        held = mask * (error <= bound)
        rows = np.bincount(episode, weights=mask)
        total = drawn @ rows
        shares = (drawn @ np.bincount(episode, weights=held))[total > 0] / total[total > 0]
        low, high = np.quantile(shares, (0.05, 0.95))
        for name, value in (
            ("step", k),
            ("coverage", float(held.sum() / mask.sum())),
            ("low", float(low)),
            ("high", float(high)),
            ("bound", float(np.sum(bound * mask) / mask.sum())),
            ("error", float(np.sum(error * mask) / mask.sum())),
            ("rows", int(mask.sum())),
        ):
            found[name].append(value)
    return found


def bound_coverage(
    calibration: Calibration, seen: Foresight, steps: tuple[int, ...]
) -> dict[str, list[float | None]]:
    """Observed share of errors below the bound at each of the calibration's levels.

    Returns:
      ``nominal``: the levels; and by step k, ``"1"`` and so on: the shares, where there is
      a bound for the step.
    """
    scale = np.asarray(calibration.scale, np.float32)
    errors = state_error(seen, scale)
    found: dict[str, list[float | None]] = {"nominal": list(calibration.levels)}
    by_level = [
        calibration.bounds(seen.predicted.uncertainty, level) for level in calibration.levels
    ]
    for k in steps:
        if k > len(by_level[0]):
            continue
        rows = seen.mask[k - 1] > 0
        found[str(k)] = [
            float(np.mean(errors[k - 1][rows] <= bounds[k - 1][rows])) if rows.any() else None
            for bounds in by_level
        ]
    return found
