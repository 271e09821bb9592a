"""An episode as a foreign file holds it, agent by agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from logo_tf.errors import LogoError


@dataclasses.dataclass(frozen=True)
class RawEpisode:
    """T transitions over T+1 rows, not yet padded to the widest agent.

    Attributes:
      where: names it in messages, such as ``toy.hdf5: episode 3``.
      observations: N arrays (T+1, O_i).
      actions: N arrays, (T,) of whole numbers or (T, A_i) of floats.
      rewards: (T,), or (T, N) where each agent has its own.
      terminated: the scenario ended it (False: it was cut).
      state: (T+1, S), or (T+1, N, S) where each agent has its own view of it; None
        where the file has none.
      legal: N arrays (T+1, A_i), 1 where an action is legal; None if nothing says.
      alive: (T+1, N), 1 where an agent is alive; None if nothing says.
      invented: the last row is not the file's but repeats the one before.
      names: the file's own name of each field, for messages.
    """

    where: str
    observations: Sequence[np.ndarray]
    actions: Sequence[np.ndarray]
    rewards: np.ndarray
    terminated: bool
    state: np.ndarray | None = None
    legal: Sequence[np.ndarray] | None = None
    alive: np.ndarray | None = None
    invented: bool = False
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def length(self) -> int:
        """T."""
        return len(self.rewards)

    @property
    def num_agents(self) -> int:
        """N."""
        return len(self.observations)

    def named(self, field: str) -> str:
        """What the file calls a field."""
        return self.names.get(field, field)


def floats(raw: RawEpisode, field: str, values: np.ndarray, agent: int | None = None) -> np.ndarray:
    """Return finite float32 of the same shape.

    Raises:
      LogoError: not numbers, not finite, or too large for float32; names the step.
    """
    if values.dtype.kind not in "biuf":
        refuse_field(raw, field, f"dtype {values.dtype}, expected numbers")
    if values.dtype.kind == "f":
        refuse(~np.isfinite(values), raw, field, "is not finite", agent)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    refuse(np.isinf(single), raw, field, "is too large for float32", agent)
    return single


def flags(raw: RawEpisode, field: str, values: np.ndarray, agent: int | None = None) -> np.ndarray:
    """Return bools of the same shape.

    Raises:
      LogoError: a value is neither 0 nor 1; names the step.
    """
    if values.dtype.kind not in "biuf":
        refuse_field(raw, field, f"dtype {values.dtype}, expected 0 and 1")
    refuse((values != 0) & (values != 1), raw, field, "must be 0 or 1", agent)
    return np.asarray(values != 0)


def refuse(
    bad: np.ndarray, raw: RawEpisode, field: str, fault: str, agent: int | None = None
) -> None:
    """Raise for the first True of ``bad``, whose leading axis is the step.

    Raises:
      LogoError: names the episode, step, field, agent and dimension.
    """
    if not bad.any():
        return
    step, *rest = (int(i) for i in np.argwhere(bad)[0])
    inside = "" if agent is None else f", agent {agent}"
    inside += f", dimension {', '.join(map(str, rest))}" if rest else ""
    raise LogoError(f"{raw.where}, step {step}, {raw.named(field)}{inside}: value {fault}")


def refuse_field(raw: RawEpisode, field: str, fault: str) -> NoReturn:
    """Raise for a whole field.

    Raises:
      LogoError: always.
    """
    raise LogoError(f"{raw.where}, {raw.named(field)}: {fault}")
