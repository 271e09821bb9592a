"""The scenario spec: who acts, what each sees, what it may do.

Every dataset, model, policy and export carries one, and two artefacts work
together only when their specs agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from logo_tf.errors import LogoError

ActionKind = Literal["continuous", "discrete"]

_UNRECORDED = "not recorded"


@dataclasses.dataclass(frozen=True)
class ScenarioSpec:
    """A cooperative scenario of N agents with one shared reward.

    Agents may differ in the width of what they observe and do. Arrays are padded
    with zeros to the widest agent (O and A), and the masks say what is real.

    Attributes:
      name: the scenario's name, such as ``mamujoco/HalfCheetah-2x3``.
      environment: package, id and version of the environment behind it, as
        ``SMAX 3m (jaxmarl 0.2.0, jax 0.10.0)``; or what ``unrecorded`` returns.
      agents: the N agents' names, in the order of every agent axis.
      observation_dims: width of each agent's observation; O is the largest.
      state_dim: width S of the global state.
      action_kind: ``continuous`` (vectors within bounds) or ``discrete`` (one of A).
      action_dims: each agent's action width, or its number of discrete actions.
      action_low: continuous only, lower bounds, N rows of A (padded with 0).
      action_high: continuous only, upper bounds, N rows of A (padded with 0).
      episode_limit: the time limit in steps.
      noop_action: discrete only, the action that dead agents are left with, if
        the scenario has one. An agent with no other legal action is dead.
      last_action_offset: where the one-hot joint action of the previous step
        stands in the state (``state[offset:offset + N*A]``), if it does: such
        dimensions are written, not predicted.
      win_reward: a step reward at least this large marks a won episode.
    """

    name: str
    environment: str
    agents: tuple[str, ...]
    observation_dims: tuple[int, ...]
    state_dim: int
    action_kind: ActionKind
    action_dims: tuple[int, ...]
    episode_limit: int
    action_low: tuple[tuple[float, ...], ...] = ()
    action_high: tuple[tuple[float, ...], ...] = ()
    noop_action: int | None = None
    last_action_offset: int | None = None
    win_reward: float | None = None

    def __post_init__(self) -> None:
        n = len(self.agents)
        if n < 1 or len(self.observation_dims) != n or len(self.action_dims) != n:
            raise LogoError(
                f"scenario spec {self.name!r}: {n} agents need as many observation_dims and "
                f"action_dims, got {len(self.observation_dims)} and {len(self.action_dims)}"
            )
        if self.action_kind not in ("continuous", "discrete"):
            raise LogoError(
                f"scenario spec {self.name!r}: action_kind is {self.action_kind!r}; "
                "it must be 'continuous' or 'discrete'"
            )
        sizes = (*self.observation_dims, *self.action_dims, self.state_dim, self.episode_limit)
        if min(sizes) < 1:
            raise LogoError(f"scenario spec {self.name!r}: every size must be at least 1: {sizes}")
        if self.action_kind == "continuous":
            expected = (n, self.action_dim)
            for field, bound in (
                ("action_low", self.action_low),
                ("action_high", self.action_high),
            ):
                shape = np.shape(bound)
                if shape != expected:
                    raise LogoError(
                        f"scenario spec {self.name!r}: {field} has shape {shape}, "
                        f"expected {expected}"
                    )
        if self.last_action_offset is not None and self.discrete:
            end = self.last_action_offset + n * self.action_dim
            if end > self.state_dim:
                raise LogoError(
                    f"scenario spec {self.name!r}: the last joint action would end at state "
                    f"dimension {end}, past state_dim {self.state_dim}"
                )

    @property
    def records_environment(self) -> bool:
        """Whether it is known which environment the scenario is."""
        return not self.environment.startswith(_UNRECORDED)

    @property
    def num_agents(self) -> int:
        """N."""
        return len(self.agents)

    @property
    def observation_dim(self) -> int:
        """O, the widest agent's observation."""
        return max(self.observation_dims)

    @property
    def action_dim(self) -> int:
        """A, the widest agent's action, or the largest number of discrete actions."""
        return max(self.action_dims)

    @property
    def discrete(self) -> bool:
        """Whether actions are choices among A (else vectors of A numbers)."""
        return self.action_kind == "discrete"

    @property
    def legal_dim(self) -> int:
        """L, the width of legal-action masks: A, or 0 where nothing is illegal."""
        return self.action_dim if self.discrete else 0

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of one joint action: (N,) of int32 or (N, A) of float32."""
        return (self.num_agents,) if self.discrete else (self.num_agents, self.action_dim)

    @property
    def action_dtype(self) -> np.dtype:
        """The dtype of one joint action: int32 or float32."""
        return np.dtype(np.int32 if self.discrete else np.float32)

    @property
    def observation_mask(self) -> np.ndarray:
        """(N, O) float32: 1 where an observation dimension is real, 0 where padded."""
        return _width_mask(self.observation_dims)

    @property
    def action_mask(self) -> np.ndarray:
        """(N, A) float32: 1 where an action dimension (or choice) exists, 0 where padded."""
        return _width_mask(self.action_dims)

    @property
    def predicted_state_mask(self) -> np.ndarray:
        """(S,) float32: 0 where the state only repeats the last joint action, else 1."""
        mask = np.ones(self.state_dim, np.float32)
        if self.last_action_offset is not None:
            width = self.num_agents * self.action_dim
            mask[self.last_action_offset : self.last_action_offset + width] = 0.0
        return mask

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold; ``from_dict`` is its inverse."""
        return _listed(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScenarioSpec:
        """Read back ``to_dict``.

        Raises:
          LogoError: a field is missing, unknown, or does not fit the others.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - names)
        if unknown:
            raise LogoError(f"scenario spec has unknown fields: {', '.join(unknown)}")
        try:
            return cls(**{key: _tupled(value) for key, value in data.items()})
        except TypeError as error:
            raise LogoError(f"scenario spec is incomplete: {error}") from None

    def compared(self, other: ScenarioSpec) -> dict[str, tuple[Any, Any]]:
        """Put beside each other what must be equal for two artefacts to work together.

        That is all that fixes array shapes and meaning; the environment's version, the
        time limit and the name may differ.

        Returns:
          Name of the field -> its value here and in ``other``; of agents their number.
        """
        fields = (
            "observation_dims",
            "state_dim",
            "action_dims",
            "action_low",
            "action_high",
        )
        return {
            "action_kind": (self.action_kind, other.action_kind),
            "agents": (self.num_agents, other.num_agents),
            **{name: (getattr(self, name), getattr(other, name)) for name in fields},
        }

    def require_fits(self, other: ScenarioSpec, ours: str, theirs: str) -> None:
        """Check that two artefacts can work together.

        Args:
          other: the spec to compare with.
          ours: what carries this spec, for the message ("the dataset runs/d").
          theirs: what carries ``other``.

        Raises:
          LogoError: names the first field that differs and both values.
        """
        for field, (mine, yours) in self.compared(other).items():
            if mine != yours:
                raise LogoError(
                    f"{ours} does not fit {theirs}: {field} is {mine} against {yours}; "
                    "use artefacts of the same scenario"
                )


def unrecorded(source: str) -> str:
    """Return what stands for the environment where ``source``, as a file, does not say it."""
    return f"{_UNRECORDED} ({source})"


def _width_mask(dims: tuple[int, ...]) -> np.ndarray:
    return (np.arange(max(dims)) < np.asarray(dims)[:, None]).astype(np.float32)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list | tuple) else value


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
