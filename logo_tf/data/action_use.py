"""What each agent did and might have done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from logo_tf.data.sums import Sums
from logo_tf.specs import ScenarioSpec

# Within this share of its range an action counts as standing at a bound.
_AT_BOUND = 0.01
# A continuous action's range is cut into this many cells to see which were tried.
_CELLS = 20

Fields = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ActionUse:
    """What one agent's living steps did.

    Attributes:
      agent: its name.
      shares: discrete: share of its steps that took each action (A_i numbers).
      legal_shares: discrete: share of its steps in which each action was legal.
      means: continuous: mean of each action dimension (A_i numbers).
      stds: continuous: standard deviation of each.
      at_bounds: continuous: share of values within 1 % of a bound, of each.
      coverage: share of what it could do that was done at least once: of its
        actions that were ever legal, or of 20 equal cells a dimension.
    """

    agent: str
    shares: tuple[float, ...] = ()
    legal_shares: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    stds: tuple[float, ...] = ()
    at_bounds: tuple[float, ...] = ()
    coverage: float = 0.0


class UseTally(Protocol):
    """An agent's use of its actions, from steps that come some at a time, all of them twice."""

    def add(self, fields: Fields) -> None:
        """Add M steps: ``actions``, ``agent_mask`` and, of discrete ones, ``legal_actions``."""

    def add_again(self, fields: Fields) -> None:
        """Add the same steps once more, when all have been added."""

    def result(self) -> ActionUse:
        """Return the figures; of an agent that never lived there are none."""


def use_tally(spec: ScenarioSpec, agent: int) -> UseTally:
    """The tally for an agent of a scenario."""
    if spec.discrete:
        return ChoiceTally(spec, agent)
    return VectorTally(spec, agent)


class ChoiceTally:
    """Of an agent that chooses among actions."""

    def __init__(self, spec: ScenarioSpec, agent: int) -> None:
        """Args: spec: the scenario; agent: its place in it."""
        self._name, self._agent = spec.agents[agent], agent
        self._steps = 0
        self._taken = np.zeros(spec.action_dims[agent], np.int64)
        self._legal = np.zeros(spec.action_dims[agent], np.int64)

    def add(self, fields: Fields) -> None:
        """As the protocol says."""
        alive, width = fields["agent_mask"][:, self._agent], len(self._taken)
        self._steps += int(alive.sum())
        taken = np.bincount(fields["actions"][alive, self._agent], minlength=width)
        self._taken += taken[:width]
        self._legal += fields["legal_actions"][alive, self._agent, :width].sum(axis=0)

    def add_again(self, fields: Fields) -> None:
        """Counts are known the first time."""

    def result(self) -> ActionUse:
        """As the protocol says."""
        if not self._steps:
            return ActionUse(self._name)
        taken, legal = int(np.sum(self._taken > 0)), int(np.sum(self._legal > 0))
        return ActionUse(
            agent=self._name,
            shares=_floats(self._taken / self._steps),
            legal_shares=_floats(self._legal / self._steps),
            coverage=taken / max(1, legal),
        )


class VectorTally:
    """Of an agent that acts by a vector."""

    def __init__(self, spec: ScenarioSpec, agent: int) -> None:
        """Args: spec: the scenario; agent: its place in it."""
        width = spec.action_dims[agent]
        self._name, self._agent = spec.agents[agent], agent
        self._low = np.asarray(spec.action_low[agent][:width])
        high = np.asarray(spec.action_high[agent][:width])
        self._range = np.where(high > self._low, high - self._low, 1.0)
        self._sums = Sums(width)
        self._at_bounds = np.zeros(width, np.int64)
        self._tried = np.zeros((width, _CELLS), bool)

    def add(self, fields: Fields) -> None:
        """As the protocol says."""
        actions = self._own(fields)
        self._sums.add(actions)
        place = (actions.astype(np.float64) - self._low) / self._range
        self._at_bounds += np.sum((place < _AT_BOUND) | (place > 1 - _AT_BOUND), axis=0)
        cells = np.clip((place * _CELLS).astype(int), 0, _CELLS - 1)
        self._tried[np.arange(len(self._tried)), cells] = True

    def add_again(self, fields: Fields) -> None:
        """As the protocol says."""
        self._sums.add_squares(self._own(fields))

    def result(self) -> ActionUse:
        """As the protocol says."""
        steps = self._sums.count
        if not steps:
            return ActionUse(self._name)
        return ActionUse(
            agent=self._name,
            means=_floats(self._sums.mean),
            stds=_floats(self._sums.std),
            at_bounds=_floats(self._at_bounds / steps),
            coverage=float(self._tried.sum(axis=1).mean() / _CELLS),
        )

    def _own(self, fields: Fields) -> np.ndarray:
        """(M', A_i) float32, of the steps in which it lives."""
        alive = fields["agent_mask"][:, self._agent]
        own: np.ndarray = fields["actions"][alive, self._agent, : len(self._low)]
        return own


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
