"""Means, deviations and ranges of a dataset: what models scale their inputs with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from logo_tf.data.store import Dataset
from logo_tf.errors import LogoError

# A dimension that varies less than this, relative to its size, is float32 noise.
_CONSTANT = 1e-6
_ROWS_AT_ONCE = 65536


@dataclasses.dataclass(frozen=True)
class Standardisation:
    """Statistics in raw units, float32; x is standardised as (x - mean) / std.

    A constant dimension has std 1, so that it standardises to about 0 and never
    divides by nothing. Observation statistics are over live agents only; padded
    dimensions are constant 0.

    Attributes:
      state_mean: (S,), and so ``state_std``, ``state_min``, ``state_max``.
      state_constant: (S,) bool.
      observation_mean: (N, O), and so ``observation_std``, ``_min``, ``_max``.
      observation_constant: (N, O) bool.
      reward_mean: of one step's reward, and so ``reward_std``, ``_min``, ``_max``.
    """

    state_mean: np.ndarray
    state_std: np.ndarray
    state_min: np.ndarray
    state_max: np.ndarray
    state_constant: np.ndarray
    observation_mean: np.ndarray
    observation_std: np.ndarray
    observation_min: np.ndarray
    observation_max: np.ndarray
    observation_constant: np.ndarray
    reward_mean: float
    reward_std: float
    reward_min: float
    reward_max: float

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold; ``from_dict`` is its inverse, exactly."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Standardisation:
        """Read back ``to_dict``.

        Raises:
          LogoError: a field is missing or unknown.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(data) != names:
            odd = ", ".join(sorted(set(data) ^ names))
            raise LogoError(f"standardisation: missing or unknown fields: {odd}")
        return cls(**{name: _read(name, value) for name, value in data.items()})


class _Moments(NamedTuple):
    """Per column of (R, D): mean, std, min, max (D,) float32 and whether it is constant."""

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    constant: np.ndarray


def standardisation(dataset: Dataset, episodes: np.ndarray | None = None) -> Standardisation:
    """Measure states and observations on all rows, rewards on transitions.

    Args:
      dataset: the dataset.
      episodes: indices of the episodes to use, such as the training split; None is all.

    Raises:
      LogoError: no episode, or an index out of range.
    """
    steps = dataset.transition_rows(episodes)
    rows = np.union1d(steps, steps + 1)  # bootstrap rows too
    alive = np.asarray(dataset.field("agent_mask"))
    state = _moments(dataset.field("state"), rows)
    reward = _moments(np.asarray(dataset.field("rewards"))[:, None], steps)
    each = [
        _moments(dataset.field("observations")[:, agent], rows[alive[rows, agent]])
        for agent in range(dataset.spec.num_agents)
    ]
    observation = _Moments(*(np.stack(parts) for parts in zip(*each, strict=True)))
    return Standardisation(
        *state,
        *observation,
        reward_mean=float(reward.mean[0]),
        reward_std=float(reward.std[0]),
        reward_min=float(reward.low[0]),
        reward_max=float(reward.high[0]),
    )


def _moments(column: np.ndarray, rows: np.ndarray) -> _Moments:
    """Two passes in float64, some rows at a time, so that a large column stays on disk."""
    width = column.shape[1]
    if len(rows) == 0:
        zero = np.zeros(width, np.float32)
        return _Moments(zero, zero + 1, zero, zero, np.ones(width, bool))
    parts = np.array_split(rows, -(-len(rows) // _ROWS_AT_ONCE))
    sums = [np.sum(column[part], axis=0, dtype=np.float64) for part in parts]
    mean = np.sum(sums, axis=0) / len(rows)
    squares = np.sum([np.sum(np.square(column[part] - mean), axis=0) for part in parts], axis=0)
    std = np.sqrt(squares / len(rows))
    constant = std <= _CONSTANT * np.maximum(1.0, np.abs(mean))
    return _Moments(
        mean=mean.astype(np.float32),
        std=np.where(constant, 1.0, std).astype(np.float32),
        low=np.min([np.min(column[part], axis=0) for part in parts], axis=0),
        high=np.max([np.max(column[part], axis=0) for part in parts], axis=0),
        constant=constant,
    )


def _read(name: str, value: Any) -> Any:
    if name.startswith("reward"):
        return float(value)
    return np.asarray(value, bool if name.endswith("constant") else np.float32)
