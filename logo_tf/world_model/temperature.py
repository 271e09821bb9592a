"""Temperatures of the predicted spreads, fitted on held-out rows when training ends."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.judging.dimensions import varying
from logo_tf.world_model.judging.foresight import draw_windows, foresee
from logo_tf.world_model.judging.likelihood import Residuals, residuals_of
from logo_tf.world_model.protocol import WorldModel

_ROWS = 8000
# As many rows that say the spread is right, so that a few rows cannot turn it over.
_PRIOR = 10.0


class Temperature(tf.Module):
    """What predicted standard deviations are multiplied with; 1 until fitted.

    Attributes:
      state: (S,) variable; observations: (N, O); reward: ().
    """

    def __init__(self, spec: ScenarioSpec) -> None:
        """Args: spec: the scenario."""
        super().__init__(name="temperature")
        shapes = ((spec.state_dim,), (spec.num_agents, spec.observation_dim), ())
        self.state, self.observations, self.reward = (
            tf.Variable(tf.ones(shape), trainable=False) for shape in shapes
        )


def fit_temperature(
    model: WorldModel, dataset: Dataset, episodes: np.ndarray | None, seed: int
) -> None:
    """Set a model's temperatures to what makes held-out one-step errors likeliest.

    Variance heads learn beside means that still improve, and from open-loop steps too, so
    when training ends they claim more spread than there is. Per dimension, the factor of
    the predicted sigmas that minimises the Gaussian negative log-likelihood is

    ```
    T = sqrt( mean( (e / sigma)^2 ) )
    ```

    over held-out rows, with 10 rows of e = sigma added. The means stay what they are. Rare
    large errors can make such a factor worse than none, so the factors of the state, of the
    observations or of the reward are kept where those of each half of the episodes make
    the other half likelier, on the whole, and are 1 elsewhere. The only episode is halved
    by its rows: they are no fresh evidence, but a model of so few data claims far too much.

    Args:
      model: its temperatures are replaced.
      dataset: where the episodes are.
      episodes: indices of held-out episodes; None means all.
      seed: fixes the rows.
    """
    temperature = model.temperature
    for variable in temperature.variables:
        variable.assign(tf.ones_like(variable))
    seen = foresee(model, draw_windows(dataset, episodes, 1, _ROWS, seed, model.context))
    units = standardisation(dataset)
    residuals = residuals_of(seen, units, varying(units, dataset.spec))
    half = _half(seen.episodes)
    for variable, name in (
        (temperature.state, "state"),
        (temperature.observations, "observation"),
        (temperature.reward, "reward"),
    ):
        one = residuals[name]
        first, second = (Residuals(*(values[rows] for values in one)) for rows in (half, ~half))
        if _gain(_factor(first), second) + _gain(_factor(second), first) > 0:
            variable.assign(_factor(one))


def _half(episodes: np.ndarray) -> np.ndarray:
    """(B,) bool, the rows of every other of their episodes (B,), or every other row of one."""
    known = np.unique(episodes)
    if len(known) == 1:
        return np.arange(len(episodes)) % 2 == 0  # rows come in random order
    return np.isin(episodes, known[::2])


def _factor(residuals: Residuals) -> np.ndarray:
    """T of each dimension, (...), from residuals (B, ...)."""
    error, sigma, weights = residuals
    squares = np.sum(np.square(error / sigma) * weights, axis=0, dtype=np.float64)
    rows = np.sum(weights, axis=0, dtype=np.float64)
    return np.sqrt((squares + _PRIOR) / (rows + _PRIOR)).astype(np.float32)


def _gain(factor: np.ndarray, residuals: Residuals) -> float:
    """By how much, in nats, factors (...) make residuals (B, ...) likelier."""
    error, sigma, weights = residuals
    saved = 0.5 * np.square(error / sigma) * (1.0 - 1.0 / np.square(factor)) - np.log(factor)
    return float(np.sum(saved * weights, dtype=np.float64))
