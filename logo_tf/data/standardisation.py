"""Means, deviations and ranges of a dataset: what models scale their inputs with."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from logo_tf.data.rows import RowIndex
from logo_tf.data.store import Dataset
from logo_tf.data.sums import Sums
from logo_tf.errors import LogoError

# A dimension that varies less than this, relative to its size, is float32 noise.
_CONSTANT = 1e-6


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

    The data are read twice, a block of rows at a time; what was measured once is remembered
    as long as the dataset is.

    Args:
      dataset: the dataset.
      episodes: indices of the episodes to use, such as the training split; None is all.

    Raises:
      LogoError: no episode, or an index out of range.
    """
    known = _measured.setdefault(dataset, {})
    chosen = None if episodes is None else np.asarray(episodes, np.int64).tobytes()
    if chosen not in known:
        known[chosen] = _measure(dataset, episodes)
    return known[chosen]


def _measure(dataset: Dataset, episodes: np.ndarray | None) -> Standardisation:
    reward, state, *each = _moments(dataset, episodes)
    observation = _Moments(*(np.stack(parts) for parts in zip(*each, strict=True)))
    return Standardisation(
        *state,
        *observation,
        reward_mean=float(reward.mean[0]),
        reward_std=float(reward.std[0]),
        reward_min=float(reward.low[0]),
        reward_max=float(reward.high[0]),
    )


def _moments(dataset: Dataset, episodes: np.ndarray | None) -> list[_Moments]:
    """Of each of the ``_samples``, in float64."""
    sums = [Sums(values.shape[1]) for values in next(_samples(dataset, episodes))]
    for found in _samples(dataset, episodes):
        for one, values in zip(sums, found, strict=True):
            one.add(values)
    for found in _samples(dataset, episodes):
        for one, values in zip(sums, found, strict=True):
            one.add_squares(values)
    return [_moments_of(one) for one in sums]


def _samples(dataset: Dataset, episodes: np.ndarray | None) -> Iterator[list[np.ndarray]]:
    """Yield (M, D) float32 of some rows: rewards of steps, states, observations of each agent."""
    steps = dataset.transitions(None if episodes is None else np.unique(episodes))
    rows = RowIndex(steps.first, np.diff(steps.ends, prepend=0) + 1)  # bootstrap rows too
    bootstrap = dataset.first_rows + dataset.lengths
    names = ("rewards", "state", "observations", "agent_mask")
    for at, found in dataset.rows.blocks(rows, names):
        alive = found["agent_mask"]
        yield [
            found["rewards"][~np.isin(at, bootstrap, kind="sort"), None],
            found["state"],
            *(
                found["observations"][alive[:, agent], agent]
                for agent in range(dataset.spec.num_agents)
            ),
        ]


def _moments_of(sums: Sums) -> _Moments:
    """Of all rows; where there are none, as if all were 0."""
    if sums.count == 0:
        zero = np.zeros(len(sums.mean), np.float32)
        return _Moments(zero, zero + 1, zero, zero, np.ones(len(zero), bool))
    mean, std = sums.mean, sums.std
    constant = std <= _CONSTANT * np.maximum(1.0, np.abs(mean))
    return _Moments(
        mean=mean.astype(np.float32),
        std=np.where(constant, 1.0, std).astype(np.float32),
        low=sums.low,
        high=sums.high,
        constant=constant,
    )


def _read(name: str, value: Any) -> Any:
    if name.startswith("reward"):
        return float(value)
    return np.asarray(value, bool if name.endswith("constant") else np.float32)


_measured: weakref.WeakKeyDictionary[Dataset, dict[bytes | None, Standardisation]] = (
    weakref.WeakKeyDictionary()
)
