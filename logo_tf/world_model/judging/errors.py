"""How wrong open-loop predictions are, in standard deviations: by step, agent and dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from logo_tf.data.standardisation import Standardisation
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.judging.dimensions import Dimensions, varying
from logo_tf.world_model.judging.foresight import Foresight


class Errors(NamedTuple):
    """Squared errors in standardised units, time first, and what counts of them.

    state, persistent_state: (T, B, S); observations, persistent_observations:
    (T, B, N, O); rows: (T, B, S), seen: (T, B, N, O) are 1 where they count.
    """

    state: np.ndarray
    persistent_state: np.ndarray
    observations: np.ndarray
    persistent_observations: np.ndarray
    rows: np.ndarray
    seen: np.ndarray


def state_scale(units: Standardisation, spec: ScenarioSpec) -> np.ndarray:
    """(S,) float32: standard deviation of each state dimension that counts, 0 of others."""
    return np.where(varying(units, spec).state, units.state_std, 0.0).astype(np.float32)


def state_error(seen: Foresight, scale: np.ndarray) -> np.ndarray:
    """Root mean square error of the state over the dimensions of positive ``scale`` (S,).

    Returns:
      (T, B) in standard deviations; meaningless where the mask is 0.
    """
    dims = scale > 0
    error = (seen.predicted.state - seen.true.next_state)[..., dims] / scale[dims]
    return np.sqrt(np.sum(np.square(error), axis=-1) / max(int(dims.sum()), 1))


def errors_of(seen: Foresight, units: Standardisation, spec: ScenarioSpec) -> Errors:
    """Square the errors of what was foreseen, and of persistence (nothing changes)."""
    predicted, true = seen.predicted, seen.true
    dims: Dimensions = varying(units, spec)
    lived = true.agent_mask * true.next_agent_mask * seen.mask[..., None]

    def state(guess: np.ndarray) -> np.ndarray:
        return np.square((guess - true.next_state) / units.state_std)

    def observations(guess: np.ndarray) -> np.ndarray:
        return np.square((guess - true.next_observations) / units.observation_std)

    return Errors(
        state=state(predicted.state),
        persistent_state=state(true.state[:1]),
        observations=observations(predicted.observations),
        persistent_observations=observations(true.observations[:1]),
        rows=seen.mask[..., None] * dims.state,
        seen=lived[..., None] * dims.observations,
    )


def error_figures(errors: Errors, horizons: Sequence[int]) -> dict[str, Any]:
    """Figures for JSON: by horizon, at every step, by agent and by dimension."""
    longest = len(errors.state)
    curve: dict[str, list[Any]] = {"step": list(range(1, longest + 1))}
    for short, name, weights in (
        ("state", "state", errors.rows),
        ("obs", "observations", errors.seen),
    ):
        model, reference = getattr(errors, name), getattr(errors, f"persistent_{name}")
        found = [rmse(model[t], weights[t]) for t in range(longest)]
        zero = [rmse(reference[t], weights[t]) for t in range(longest)]
        curve[f"{short}_rmse"] = found
        curve[f"{short}_nrmse"] = [ratio(a, b) for a, b in zip(found, zero, strict=True)]
    names = ("state_nrmse", "obs_nrmse", "state_rmse", "obs_rmse")
    agents, dims = range(errors.observations.shape[2]), range(errors.state.shape[2])
    return {
        **{name: {str(k): curve[name][k - 1] for k in horizons} for name in names},
        "curve": curve,
        "obs_rmse_by_agent": {
            str(k): [
                rmse(errors.observations[k - 1, :, i], errors.seen[k - 1, :, i]) for i in agents
            ]
            for k in horizons
        },
        "state_rmse_by_dimension": {
            str(k): [rmse(errors.state[k - 1, :, d], errors.rows[k - 1, :, d]) for d in dims]
            for k in horizons
        },
    }


def rmse(squares: np.ndarray, weights: np.ndarray) -> float | None:
    """Root of the weighted mean of squares (...); None where nothing weighs."""
    total = float(np.sum(weights, dtype=np.float64))
    if total == 0:
        return None
    return float(np.sqrt(np.sum(squares * weights, dtype=np.float64) / total))


def ratio(error: float | None, reference: float | None) -> float | None:
    """Error over reference; None where either is missing or the reference is 0."""
    return error / reference if error is not None and reference else None
