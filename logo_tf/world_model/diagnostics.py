"""How good a world model is on held-out episodes: k-step errors, and what u knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.judging.coverage import bound_coverage, measured_coverage
from logo_tf.world_model.judging.dimensions import uncertain
from logo_tf.world_model.judging.errors import error_figures, errors_of, rmse, state_scale
from logo_tf.world_model.judging.foresight import Foresight, draw_windows, foresee
from logo_tf.world_model.judging.likelihood import (
    NOMINAL,
    gaussian_nll,
    inside,
    interval_coverage,
    residuals_of,
)
from logo_tf.world_model.judging.ranks import spearman
from logo_tf.world_model.judging.uncertainty import (
    auc_held_out_behaviour,
    auc_other_actions,
    auc_shifted_actions,
    uncertainty_figures,
)
from logo_tf.world_model.protocol import Prediction, WorldModel
from logo_tf.world_model.sizing import parameter_count

__all__ = [
    "auc_held_out_behaviour",
    "auc_other_actions",
    "auc_shifted_actions",
    "evaluate_model",
    "spearman",
]


def evaluate_model(
    model: WorldModel,
    dataset: Dataset,
    episodes: np.ndarray | None,
    horizons: Sequence[int] = (1, 5, 15),
    seed: int = 0,
    starts: int = 2000,
) -> dict[str, Any]:
    """Measure a world model by open-loop prediction under logged actions.

    Predictions begin at random transitions, run to the largest horizon and are scored as
    long as the logged episode lasts. Errors are over state dimensions that are predicted
    and vary in the dataset, and over observations of agents alive before and after, in the
    dataset's standard deviations: the same for every kind of model.

    Args:
      model: any world model.
      dataset: where the episodes are.
      episodes: indices of held-out episodes; None means all.
      horizons: the k to report, each at least 1.
      seed: fixes the starts.
      starts: how many predictions begin, at most; no transition begins two.

    Returns:
      A dict for JSON; None where there is nothing to measure. By horizon k:

      - ``state_nrmse``, ``obs_nrmse``: RMSE over that of persistence (nothing changes);
        ``state_rmse``, ``obs_rmse``: in standard deviations; ``obs_rmse_by_agent`` (N,)
        and ``state_rmse_by_dimension`` (S,); ``curve``: lists over every ``step``.
      - ``uncertainty_spearman_by_step``: rank correlation with the true state error of u at
        the ``step``, of its ``max``, ``sum`` and ``rms`` so far, and of the predicted
        ``sigma``.

      Of one step:

      - ``reward_mae``, ``reward_rmse`` (raw), ``reward_rmse_std`` (over the reward's
        standard deviation), ``reward_rmse_without_wins`` where the scenario knows wins;
        ``termination_f1``; ``legal_actions_accuracy``: share of living agents whose whole
        mask is right.
      - ``uncertainty_spearman``; ``uncertainty_curve``: binned u and error;
        ``auc_other_actions``: how well u tells logged joint actions from others, and
        ``auc_shifted_actions`` from those moved by 1, 2 and 3 standard deviations.
      - ``state_nll``, ``observation_nll``, ``reward_nll``: Gaussian, nats per dimension in
        standardised units, and ``state_inside``: share of errors inside 1 and 2 predicted
        sigmas (.68 and .95 where calibrated); without ``exact_dimensions``, which count
        those that are predicted but follow exactly from the step before (``uncertain``).

      Of the model's calibration, if it has one: ``coverage`` (``measured_coverage``) at the
      stated level. ``reliability``: observed shares at ``nominal`` ones, of Gaussian
      intervals of one step (``state``, ``observations``) and of the bounds of several
      (``conformal``: its ``nominal``, and the observed by k).

    Raises:
      LogoError: no episode, or an index out of range.
    """
    spec, units = dataset.spec, standardisation(dataset)
    windows = draw_windows(dataset, episodes, max(horizons), starts, seed, model.context)
    seen = foresee(model, windows)
    return {
        "parameters": parameter_count(model),
        "starts": len(windows.mask),
        "horizons": list(horizons),
        **error_figures(errors_of(seen, units, spec), horizons),
        **_reward_errors(seen.predicted, seen.true, units, spec),
        **uncertainty_figures(seen, state_scale(units, spec), horizons),
        "auc_other_actions": auc_other_actions(model, windows, seed),
        "auc_shifted_actions": auc_shifted_actions(model, windows, seed),
        **_calibration_figures(model, seen, dataset, units, tuple(horizons), seed),
        "termination_f1": _f1(seen.predicted.termination[0] > 0.5, seen.true.terminals[0] > 0.5),
        "legal_actions_accuracy": _legal_accuracy(seen.predicted, seen.true, spec),
    }


def _calibration_figures(
    model: WorldModel,
    seen: Foresight,
    dataset: Dataset,
    units: Standardisation,
    horizons: tuple[int, ...],
    seed: int,
) -> dict[str, Any]:
    dims = uncertain(dataset, units)
    residuals = residuals_of(seen, units, dims)
    predicted = int(np.sum(state_scale(units, dataset.spec) > 0))
    calibration = model.calibration
    return {
        **{f"{name}_nll": gaussian_nll(one) for name, one in residuals.items()},
        "exact_dimensions": predicted - int(dims.state.sum()),
        "state_inside": {str(k): inside(residuals["state"], k) for k in (1, 2)},
        "coverage": measured_coverage(calibration, seen, seed) if calibration else None,
        "reliability": {
            "nominal": list(NOMINAL),
            "state": interval_coverage(residuals["state"]),
            "observations": interval_coverage(residuals["observation"]),
            "conformal": bound_coverage(calibration, seen, horizons) if calibration else None,
        },
    }


def _reward_errors(
    predicted: Prediction, true: Transitions, units: Standardisation, spec: ScenarioSpec
) -> dict[str, float | None]:
    error = predicted.reward[0] - true.rewards[0]
    size = float(np.sqrt(np.mean(np.square(error))))
    found: dict[str, float | None] = {
        "reward_mae": float(np.mean(np.abs(error))),
        "reward_rmse": size,
        "reward_rmse_std": size / units.reward_std,
    }
    if spec.win_reward is not None:
        ordinary = (true.rewards[0] < spec.win_reward).astype(np.float32)
        found["reward_rmse_without_wins"] = rmse(np.square(error), ordinary)
    return found


def _legal_accuracy(predicted: Prediction, true: Transitions, spec: ScenarioSpec) -> float | None:
    if not spec.discrete:
        return None
    right = (predicted.legal_actions[0] > 0.5) == true.next_legal_actions[0]
    right |= spec.action_mask == 0
    living = true.agent_mask[0] > 0
    return float(np.mean(right.all(axis=-1)[living]))


def _f1(predicted: np.ndarray, true: np.ndarray) -> float | None:
    if not true.any():
        return None
    hits = np.sum(predicted & true)
    return float(2 * hits / (predicted.sum() + true.sum()))
