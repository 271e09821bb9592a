"""How good a world model is on held-out episodes: k-step errors, and what u knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.open_loop import open_loop
from logo_tf.world_model.protocol import Prediction, WorldModel

_BINS = 20


class _Errors(NamedTuple):
    """Squared errors in standardised units, time first, and what counts of them.

    state, persistent_state: (T, B, S'); observations, persistent_observations:
    (T, B, N, O); mask: (T, B); seen: (T, B, N, O).
    """

    state: np.ndarray
    persistent_state: np.ndarray
    observations: np.ndarray
    persistent_observations: np.ndarray
    mask: np.ndarray
    seen: np.ndarray


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
    and vary in the dataset, and over observations of agents alive before and after.

    Args:
      model: any world model.
      dataset: where the episodes are.
      episodes: indices of held-out episodes; None means all.
      horizons: the k to report, each at least 1.
      seed: fixes the starts.
      starts: how many predictions begin.

    Returns:
      A dict for JSON; keys of inner dicts are horizons. ``state_nrmse`` and
      ``obs_nrmse``: RMSE over that of persistence (nothing changes); ``state_rmse``
      and ``obs_rmse``: in standard deviations; ``reward_mae``, ``reward_rmse`` (raw)
      and ``reward_rmse_std`` (over the reward's standard deviation), one step;
      ``reward_rmse_without_wins`` where the scenario knows wins;
      ``uncertainty_spearman``: rank correlation of u and the true one-step error, and
      of u at step k and the error there; ``uncertainty_curve``: binned u and error;
      ``state_inside``: share of one-step errors inside 1 and 2 predicted sigmas (.68
      and .95 where calibrated); ``termination_f1``; ``legal_actions_accuracy``: share
      of living agents whose whole mask is right. None where there is nothing to measure.
    """
    longest = max(horizons)
    context = model.context
    stream = pipeline.windows(dataset, episodes, longest, starts, seed, context=context)
    batch, mask = next(iter(stream))

    @tf.function(autograph=False)
    def predict() -> Prediction:
        return open_loop(model, batch, mask, context)

    predicted = predict()
    batch, mask = tf.nest.map_structure(lambda values: values[:, context:], (batch, mask))
    units = standardisation(dataset)
    predicted, batch = tf.nest.map_structure(np.asarray, (predicted, batch))
    batch = tf.nest.map_structure(lambda values: np.moveaxis(values, 0, 1), batch)
    errors = _errors(predicted, batch, np.asarray(mask).T, units, model.spec)
    report: dict[str, Any] = {
        "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        "starts": starts,
        "horizons": list(horizons),
    }
    report |= _horizon_errors(errors, horizons)
    report |= _reward_errors(predicted, batch, units, model.spec)
    report |= _uncertainty(predicted, errors, horizons)
    report["state_inside"] = _inside(predicted, batch, units, model.spec)
    report["termination_f1"] = _f1(predicted.termination[0] > 0.5, batch.terminals[0] > 0.5)
    report["legal_actions_accuracy"] = _legal_accuracy(predicted, batch, model.spec)
    return report


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rank correlation of two (M,) arrays; None where one does not vary."""
    if len(a) < 2:
        return None
    ranks = [_ranks(np.asarray(values)) for values in (a, b)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _errors(
    predicted: Prediction,
    batch: Transitions,
    mask: np.ndarray,
    units: Standardisation,
    spec: ScenarioSpec,
) -> _Errors:
    dims = _state_dims(units, spec)
    std = units.state_std[dims]

    def state_error(guess: np.ndarray) -> np.ndarray:
        return np.square((guess - batch.next_state)[..., dims] / std)

    def observation_error(guess: np.ndarray) -> np.ndarray:
        return np.square((guess - batch.next_observations) / units.observation_std)

    varying = spec.observation_mask * ~units.observation_constant
    lived = batch.agent_mask * batch.next_agent_mask * mask[..., None]
    return _Errors(
        state=state_error(predicted.state),
        persistent_state=state_error(batch.state[:1]),
        observations=observation_error(predicted.observations),
        persistent_observations=observation_error(batch.observations[:1]),
        mask=mask,
        seen=lived[..., None] * varying,
    )


def _horizon_errors(errors: _Errors, horizons: Sequence[int]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("state_nrmse", "obs_nrmse", "state_rmse", "obs_rmse")
    }
    for k in horizons:
        t, key = k - 1, str(k)
        rows = np.broadcast_to(errors.mask[t][:, None], errors.state[t].shape)
        state = _rmse(errors.state[t], rows)
        observations = _rmse(errors.observations[t], errors.seen[t])
        found["state_rmse"][key] = state
        found["obs_rmse"][key] = observations
        found["state_nrmse"][key] = _ratio(state, _rmse(errors.persistent_state[t], rows))
        found["obs_nrmse"][key] = _ratio(
            observations, _rmse(errors.persistent_observations[t], errors.seen[t])
        )
    return found


def _reward_errors(
    predicted: Prediction, batch: Transitions, units: Standardisation, spec: ScenarioSpec
) -> dict[str, float | None]:
    error = predicted.reward[0] - batch.rewards[0]
    rmse = float(np.sqrt(np.mean(np.square(error))))
    found: dict[str, float | None] = {
        "reward_mae": float(np.mean(np.abs(error))),
        "reward_rmse": rmse,
        "reward_rmse_std": rmse / units.reward_std,
    }
    if spec.win_reward is not None:
        ordinary = (batch.rewards[0] < spec.win_reward).astype(np.float32)
        found["reward_rmse_without_wins"] = _rmse(np.square(error), ordinary)
    return found


def _uncertainty(predicted: Prediction, errors: _Errors, horizons: Sequence[int]) -> dict[str, Any]:
    """How u ranks the error of its step; a Spearman means nothing without the error beside it."""
    true = np.sqrt(np.mean(errors.state, axis=-1))
    per_step = {}
    for k in horizons:
        rows = errors.mask[k - 1] > 0
        per_step[str(k)] = spearman(predicted.uncertainty[k - 1][rows], true[k - 1][rows])
    order = np.argsort(predicted.uncertainty[0], kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return {
        "uncertainty_spearman": spearman(predicted.uncertainty[0], true[0]),
        "uncertainty_spearman_by_step": per_step,
        "uncertainty_curve": {
            "uncertainty": [float(predicted.uncertainty[0][part].mean()) for part in parts],
            "error": [float(true[0][part].mean()) for part in parts],
        },
    }


def _inside(
    predicted: Prediction, batch: Transitions, units: Standardisation, spec: ScenarioSpec
) -> dict[str, float]:
    dims = _state_dims(units, spec)
    distance = np.abs(predicted.state[0] - batch.next_state[0])[:, dims]
    sigma = predicted.state_std[0][:, dims]
    return {str(k): float(np.mean(distance <= k * sigma)) for k in (1, 2)}


def _legal_accuracy(predicted: Prediction, batch: Transitions, spec: ScenarioSpec) -> float | None:
    if not spec.discrete:
        return None
    right = (predicted.legal_actions[0] > 0.5) == batch.next_legal_actions[0]
    right |= spec.action_mask == 0
    living = batch.agent_mask[0] > 0
    return float(np.mean(right.all(axis=-1)[living]))


def _f1(predicted: np.ndarray, true: np.ndarray) -> float | None:
    if not true.any():
        return None
    hits = np.sum(predicted & true)
    return float(2 * hits / (predicted.sum() + true.sum()))


def _state_dims(units: Standardisation, spec: ScenarioSpec) -> np.ndarray:
    return (spec.predicted_state_mask > 0) & ~units.state_constant


def _rmse(squares: np.ndarray, weights: np.ndarray) -> float | None:
    total = float(np.sum(weights, dtype=np.float64))
    if total == 0:
        return None
    return float(np.sqrt(np.sum(squares * weights, dtype=np.float64) / total))


def _ratio(error: float | None, reference: float | None) -> float | None:
    return error / reference if error is not None and reference else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks with ties at their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[place]
