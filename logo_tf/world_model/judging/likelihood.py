"""Predicted spreads against what happened: likelihoods and how often intervals hold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from logo_tf.data.standardisation import Standardisation
from logo_tf.world_model.judging.dimensions import Dimensions
from logo_tf.world_model.judging.foresight import Foresight

NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Residuals(NamedTuple):
    """One-step errors, predicted sigmas and weights, of one shape, in standardised units."""

    error: np.ndarray
    sigma: np.ndarray
    weights: np.ndarray


def residuals_of(seen: Foresight, units: Standardisation, dims: Dimensions) -> dict[str, Residuals]:
    """One-step residuals of ``state`` (B, S), ``observation`` (B, N, O) and ``reward`` (B,).

    Where a model gives no spread it claims nothing, and nothing counts: those are the
    dimensions that never varied in its training episodes.

    Args:
      seen: what was foreseen; its first step is looked at.
      units: of the dataset.
      dims: what counts; agents must live before and after, too.
    """
    predicted, true, mask = seen.predicted, seen.true, seen.mask[0]
    lived = true.agent_mask[0] * true.next_agent_mask[0] * mask[:, None]

    def residuals(guess: Any, sigma: Any, value: Any, std: Any, weights: Any) -> Residuals:
        told = np.asarray(sigma) > 0
        return Residuals((guess - value) / std, np.where(told, sigma / std, 1.0), weights * told)

    return {
        "state": residuals(
            predicted.state[0],
            predicted.state_std[0],
            true.next_state[0],
            units.state_std,
            mask[:, None] * dims.state,
        ),
        "observation": residuals(
            predicted.observations[0],
            predicted.observations_std[0],
            true.next_observations[0],
            units.observation_std,
            lived[..., None] * dims.observations,
        ),
        "reward": residuals(
            predicted.reward[0], predicted.reward_std[0], true.rewards[0], units.reward_std, mask
        ),
    }


def gaussian_nll(residuals: Residuals) -> float | None:
    """Mean of ``(e / sigma)^2 / 2 + log sigma + log(2 pi) / 2`` over what counts.

    Nats per dimension, in standardised units: predicting the mean with the data's own
    spread scores 1.42.
    """
    error, sigma, _ = residuals
    nll = 0.5 * np.square(error / sigma) + np.log(sigma) + 0.5 * np.log(2 * np.pi)
    return _mean(nll, residuals.weights)


def inside(residuals: Residuals, width: float) -> float | None:
    """Share of errors within ``width`` predicted sigmas."""
    return _mean(np.abs(residuals.error) <= width * residuals.sigma, residuals.weights)


def interval_coverage(residuals: Residuals) -> list[float | None]:
    """Observed share inside the central Gaussian intervals of the ``NOMINAL`` shares."""
    return [inside(residuals, float(ndtri(0.5 + 0.5 * share))) for share in NOMINAL]


def _mean(values: np.ndarray, weights: np.ndarray) -> float | None:
    total = float(np.sum(weights, dtype=np.float64))
    return float(np.sum(values * weights, dtype=np.float64) / total) if total else None
