"""What is checked of a raw episode before anything is inferred from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from logo_tf.data.formats.raw import RawEpisode, flags, floats, refuse, refuse_field
from logo_tf.errors import LogoError

# One episode larger than this, padded and as float32, is refused: it would be held in
# memory whole.
MAX_EPISODE_BYTES = 256 * 2**20
# Where no mask and no space says how many actions there are, the largest in use tells;
# more than this is taken for a damaged value.
MAX_ACTIONS = 1024


class Widths(NamedTuple):
    """Sizes that must not change from one episode to the next."""

    observations: tuple[int, ...]
    actions: tuple[int, ...]  # 0: a whole number
    legal: tuple[int, ...] | None
    state: tuple[int, ...] | None


class Tidier:
    """Checks raw episodes one by one, each by itself and against the first.

    Attributes:
      widths: of the first good episode, and so of all; None before.
      padded: field -> agent -> how many columns of minus infinity were cut off.
    """

    def __init__(
        self, agents: int | None, action_counts: tuple[int, ...] | None, team_reward: str
    ) -> None:
        """Say what is known beforehand.

        Args:
          agents: N, where the file says it.
          action_counts: each agent's number of discrete actions, where the file says it.
          team_reward: as ``ImportOptions`` has it.
        """
        self._agents = agents
        self._counts = action_counts
        self._team = team_reward
        self.widths: Widths | None = None
        self.padded: dict[str, dict[str, int]] = {}

    def __call__(self, raw: RawEpisode) -> RawEpisode:
        """Return the episode as plain float32, int32 and bool, without padding.

        Raises:
          LogoError: lengths disagree, a value is not finite or of the wrong kind, an
            action out of range, agents whose rewards differ, or sizes that change from
            one episode to the next; names the episode, step and field.
        """
        _check_lengths(raw)
        observations = [
            self._cut(raw, "observations", i, v) for i, v in enumerate(raw.observations)
        ]
        actions = [self._action(raw, i, values) for i, values in enumerate(raw.actions)]
        kinds = {values.dtype.kind for values in actions}
        if len(kinds) > 1:
            refuse_field(raw, "actions", "some agents choose, others act by vectors; split them")
        legal = raw.legal
        if legal is not None:
            legal = [flags(raw, "legal", values, i) for i, values in enumerate(legal)]
            for i, values in enumerate(legal):
                if values.ndim != 2 or not 1 <= values.shape[1] <= MAX_ACTIONS:
                    refuse_field(raw, "legal", f"agent {i} has shape {values.shape}")
        tidied = dataclasses.replace(
            raw,
            observations=observations,
            actions=actions,
            rewards=_team_reward(raw, self._team),
            state=None if raw.state is None else floats(raw, "state", raw.state),
            legal=legal,
            alive=None if raw.alive is None else flags(raw, "alive", raw.alive),
        )
        self._check_widths(tidied)
        return tidied

    def _cut(self, raw: RawEpisode, field: str, agent: int, values: np.ndarray) -> np.ndarray:
        """Cut off the columns that are padded with minus infinity from the first row on."""
        if values.ndim != 2:
            refuse_field(raw, field, f"agent {agent} has shape {values.shape}, expected 2 axes")
        if values.shape[1] == 0:
            refuse_field(raw, field, f"agent {agent} has no column")
        if values.dtype.kind == "f":
            real = ~np.isneginf(values[0])
            width = int(real.sum())
            if width == 0 or not real[:width].all():
                refuse(~real[None], raw, field, "is -inf before the end of the row", agent)
            stray = np.zeros(values.shape, bool)
            stray[:, width:] = ~np.isneginf(values[:, width:])
            refuse(stray, raw, field, "is not -inf, though row 0 pads with -inf there", agent)
            if width < values.shape[1]:
                self.padded.setdefault(field, {})[f"agent {agent}"] = values.shape[1] - width
            values = values[:, :width]
        return floats(raw, field, values, agent)

    def _action(self, raw: RawEpisode, agent: int, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind == "f":
            return self._cut(raw, "actions", agent, values)
        if values.dtype.kind not in "iub":
            refuse_field(raw, "actions", f"dtype {values.dtype}, expected numbers")
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            refuse_field(
                raw, "actions", f"agent {agent} has shape {values.shape}, expected one number a row"
            )
        counts = self._counts
        if raw.legal is not None:
            count = raw.legal[agent].shape[-1]
        else:
            count = counts[agent] if counts and agent < len(counts) else MAX_ACTIONS
        fault = f"is out of range, there are {count} actions"
        refuse((values < 0) | (values >= count), raw, "actions", fault, agent)
        return values.astype(np.int32)

    def _check_widths(self, raw: RawEpisode) -> None:
        found = Widths(
            observations=tuple(values.shape[1] for values in raw.observations),
            actions=tuple(0 if v.ndim == 1 else v.shape[1] for v in raw.actions),
            legal=None if raw.legal is None else tuple(v.shape[1] for v in raw.legal),
            state=None if raw.state is None else raw.state.shape[1:],
        )
        if self.widths is None:
            self._check_first(raw, found)
            self.widths = found
        for field, now, first in zip(found._fields, found, self.widths, strict=True):
            if now != first:
                refuse_field(raw, field, f"sizes {now} change from {first} in the episodes before")

    def _check_first(self, raw: RawEpisode, found: Widths) -> None:
        if found.state is not None and 0 in found.state:
            refuse_field(raw, "state", "is empty")
        if found.state is not None and len(found.state) == 2 and found.state[0] != raw.num_agents:
            refuse_field(raw, "state", f"{found.state[0]} agents, but {raw.num_agents} observe")
        if found.state is not None and len(found.state) > 2:
            refuse_field(raw, "state", f"a row has shape {found.state}, expected (S,) or (N, S)")
        if raw.alive is not None and raw.alive.shape[1:] != (raw.num_agents,):
            shape = raw.alive.shape[1:]
            refuse_field(raw, "alive", f"a row has shape {shape}, expected one flag an agent")
        if self._agents not in (None, raw.num_agents):
            refuse_field(raw, "observations", f"{raw.num_agents} agents, expected {self._agents}")


def _check_lengths(raw: RawEpisode) -> None:
    """Check that all fields have as many agents and rows as each other, and are not huge.

    Raises:
      LogoError: names the episode, the field and both lengths.
    """
    if raw.length < 1:
        raise LogoError(f"{raw.where}: has no transition; leave out empty episodes")
    rows: list[tuple[str, Sequence[np.ndarray], int]] = [
        ("observations", raw.observations, raw.length + 1),
        ("actions", raw.actions, raw.length),
    ]
    if raw.legal is not None:
        rows.append(("legal", raw.legal, raw.length + 1))
    padded = 0
    for field, arrays, length in rows:
        name = raw.named(field)
        if len(arrays) != raw.num_agents:
            raise LogoError(
                f"{raw.where}, {name}: {len(arrays)} agents, but {raw.num_agents} observe"
            )
        for agent, values in enumerate(arrays):
            if values.ndim < 1 or len(values) != length:
                raise LogoError(
                    f"{raw.where}, {name}, agent {agent}: shape {values.shape}, expected {length} "
                    f"rows for {raw.length} rewards"
                )
        padded += len(arrays) * max(values.size for values in arrays)
    for field in ("state", "alive"):
        value = getattr(raw, field)
        if value is not None:
            padded += value.size
            if value.ndim < 2 or len(value) != raw.length + 1:
                raise LogoError(
                    f"{raw.where}, {raw.named(field)}: shape {value.shape}, expected "
                    f"{raw.length + 1} rows for {raw.length} rewards"
                )
    if 4 * padded > MAX_EPISODE_BYTES:
        raise LogoError(
            f"{raw.where}: {raw.length} transitions take more than {MAX_EPISODE_BYTES >> 20} MiB; "
            "split the episode"
        )


def _team_reward(raw: RawEpisode, how: str) -> np.ndarray:
    rewards = floats(raw, "rewards", raw.rewards)
    if rewards.ndim == 1:
        return rewards
    if rewards.ndim != 2 or rewards.shape[1] not in (1, raw.num_agents):
        refuse_field(raw, "rewards", f"shape {rewards.shape}, expected one a row, or one an agent")
    if how == "equal":
        differ = (rewards != rewards[:, :1]).any(axis=1)
        refuse(differ, raw, "rewards", "differs between agents; say --team-reward mean or sum")
        return np.ascontiguousarray(rewards[:, 0])
    joined = rewards.mean(axis=1) if how == "mean" else rewards.sum(axis=1)
    return np.asarray(joined, np.float32)
