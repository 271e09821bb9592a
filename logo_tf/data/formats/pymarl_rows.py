"""PyMARL arrays, a block of episodes at a time, checked against the format's rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from logo_tf.data.formats.hdf5 import field_of, read_rows, readable
from logo_tf.errors import LogoError

_AXES = {
    "state": "ETS",
    "obs": "ETNO",
    "actions": "ETN1",
    "avail_actions": "ETNA",
    "reward": "ET1",
    "terminated": "ET1",
    "filled": "ET1",
}
# Of this package's own export: tells which episodes were cut.
_TRUNCATED = "truncated"
# Episodes are read in blocks of about this many bytes: several HDF5 chunks at once,
# so that none is decompressed over and over.
_BLOCK_BYTES = 32 * 2**20


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a file's shapes say: E episodes of T rows, N agents, O, A and S."""

    episodes: int
    rows: int
    agents: int
    observation: int
    actions: int
    state: int

    @classmethod
    def of(cls, file: h5py.File, path: Path) -> Sizes:
        """Read the shapes of a file, and none of its content.

        Raises:
          LogoError: an array is missing or malformed, or two disagree on a size.
        """
        known: dict[str, int] = {"1": 1}
        for name, axes in _axes(file, path).items():
            shape = field_of(file, path, name, axes).shape
            for letter, size in zip(axes, shape, strict=True):
                if known.setdefault(letter, size) != size:
                    raise LogoError(
                        f"{path}: {name} has shape {shape} for axes ({', '.join(axes)}): "
                        f"{letter} is {size}, expected {known[letter]}"
                    )
        if known["T"] < 2:
            raise LogoError(f"{path}: has {known['T']} row an episode, a transition needs two")
        return cls(*(known[letter] for letter in "ETNOAS"))

    @property
    def widths(self) -> tuple[int, ...]:
        """All but the number of episodes."""
        return dataclasses.astuple(self)[1:]

    @property
    def shown(self) -> str:
        """The widths for a message."""
        letters = zip(("T", "N", "O", "A", "S"), self.widths, strict=True)
        return ", ".join(f"{letter} = {size}" for letter, size in letters)

    def joined(self, other: Sizes) -> Sizes:
        """The sizes of two files of equal widths together."""
        return dataclasses.replace(self, episodes=self.episodes + other.episodes)


class Fault(NamedTuple):
    """What is wrong with an episode, and its number."""

    episode: int
    error: LogoError


@dataclasses.dataclass(frozen=True)
class Block:
    """B consecutive episodes, padded to T rows and checked.

    observations (B, T, N, O) float32; state (B, T, S) float32; actions (B, T, N)
    int32; legal (B, T, N, A) bool; rewards (B, T) float32; lengths (B,) transitions;
    first is the number of the first episode; invented says that the row after each
    last transition is not the file's but repeats the one before; truncated (B,) bool
    says which episodes were cut, where the file does.
    """

    observations: np.ndarray
    state: np.ndarray
    actions: np.ndarray
    legal: np.ndarray
    rewards: np.ndarray
    lengths: np.ndarray
    first: int = 0
    invented: bool = False
    truncated: np.ndarray | None = None

    @property
    def filled(self) -> np.ndarray:
        """(B, T) bool: the episodes' rows, bootstrap rows too."""
        return np.asarray(np.arange(self.rewards.shape[1]) <= self.lengths[:, None])

    @property
    def transitions(self) -> np.ndarray:
        """(B, T) bool: the rows that hold a transition."""
        return np.asarray(np.arange(self.rewards.shape[1]) < self.lengths[:, None])

    def alive(self, noop: int | None) -> np.ndarray:
        """(B, T, N) bool: agents that can do anything but the no-op, if there is one."""
        if noop is None:
            return np.ones(self.legal.shape[:-1], bool)
        others = np.arange(self.legal.shape[-1]) != noop
        return np.asarray(self.legal[..., others].any(axis=-1))


def read_blocks(file: h5py.File, path: Path, sizes: Sizes) -> Iterator[Block | Fault]:
    """Yield every episode of a file in order, in blocks that fit in memory.

    A block with a bad episode comes apart: its good episodes one by one, and for each
    bad one its fault: values that are not finite or not whole, rows filled with a gap,
    too short, no end or two, padding that is not zero, a bootstrap row with a reward
    or an end.

    Raises:
      LogoError: the file is damaged.
    """
    axes = _axes(file, path)
    arrays = {name: field_of(file, path, name, letters) for name, letters in axes.items()}
    episode_bytes = sum(a.dtype.itemsize * int(np.prod(a.shape[1:])) for a in arrays.values())
    step = int(max(1, min(sizes.episodes, _BLOCK_BYTES // episode_bytes)))
    for first in range(0, sizes.episodes, step):
        rows = slice(first, min(first + step, sizes.episodes))
        raw = {name: read_rows(array, path, name, rows) for name, array in arrays.items()}
        found = _checked(raw, path, first)
        if isinstance(found, Block):
            yield found
            continue
        for index in range(rows.stop - first):
            alone = {name: values[index : index + 1] for name, values in raw.items()}
            yield _checked(alone, path, first + index)


def _axes(file: h5py.File, path: Path) -> dict[str, str]:
    with readable(path):
        return {**_AXES, _TRUNCATED: "ET1"} if _TRUNCATED in file else _AXES


def _checked(raw: dict[str, np.ndarray], path: Path, first: int) -> Block | Fault:
    try:
        return _block(raw, path, first)
    except LogoError as error:
        return Fault(first, error)


def _block(raw: dict[str, np.ndarray], path: Path, first: int) -> Block:
    for name, values in raw.items():
        if values.dtype.kind == "f":
            _refuse(~np.isfinite(values), path, first, name, "is not finite")
    for name in {"terminated", "filled", "avail_actions", _TRUNCATED} & set(raw):
        _refuse((raw[name] != 0) & (raw[name] != 1), path, first, name, "must be 0 or 1")
    count = raw["avail_actions"].shape[-1]
    actions = raw["actions"][..., 0]
    if actions.dtype.kind == "f":
        _refuse(actions != np.floor(actions), path, first, "actions", "is not a whole number")
    outside = (actions < 0) | (actions >= count)
    _refuse(outside, path, first, "actions", f"is out of range, there are {count} actions")
    lengths = _lengths(raw["filled"][..., 0] == 1, path, first)
    padding = np.arange(actions.shape[1]) > lengths[:, None]
    for name, values in raw.items():
        stray = (values != 0) & padding.reshape(*padding.shape, *(1,) * (values.ndim - 2))
        _refuse(stray, path, first, name, "must be 0, the row is not filled")
    bootstrap = np.arange(actions.shape[1]) == lengths[:, None]
    rewarded = (raw["reward"][..., 0] != 0) & bootstrap
    _refuse(rewarded, path, first, "reward", "must be 0 on the episode's last (bootstrap) row")
    ends, truncated = raw["terminated"][..., 0] == 1, None
    if _TRUNCATED in raw:
        cuts = raw[_TRUNCATED][..., 0] == 1
        _refuse((ends & cuts)[..., None], path, first, _TRUNCATED, "is 1, and so is terminated")
        ends, truncated = ends | cuts, cuts.any(axis=1)
    _check_ends(ends, lengths, path, first, must=truncated is not None)
    with np.errstate(over="ignore"):
        # A float64 that float32 cannot hold becomes inf and is refused with its step.
        floats = {name: raw[name].astype(np.float32) for name in ("obs", "state", "reward")}
    for name, values in floats.items():
        _refuse(np.isinf(values), path, first, name, "is too large for float32")
    return Block(
        observations=floats["obs"],
        state=floats["state"],
        actions=actions.astype(np.int32),
        legal=raw["avail_actions"] == 1,
        rewards=floats["reward"][..., 0],
        lengths=lengths,
        first=first,
        truncated=truncated,
    )


def _lengths(filled: np.ndarray, path: Path, first: int) -> np.ndarray:
    """(B,) transitions T of each episode, from (B, rows) filled flags."""
    rows = filled.sum(axis=1)
    gap = filled != (np.arange(filled.shape[1]) < rows[:, None])
    _refuse(gap, path, first, "filled", "breaks off and goes on; filled rows must come first")
    if rows.min() < 2:
        episode = first + int(np.argmin(rows))
        raise LogoError(
            f"{path}: episode {episode}, filled: {rows.min()} filled rows, a transition needs two"
        )
    lengths: np.ndarray = rows - 1
    return lengths


def _check_ends(ends: np.ndarray, lengths: np.ndarray, path: Path, first: int, must: bool) -> None:
    """Check that each episode ends once; of full length it need not, unless it ``must``."""
    limit = ends.shape[1] - 1
    counts = ends.sum(axis=1)
    for index in np.flatnonzero((counts > 1) | ((counts == 0) & ((lengths < limit) | must))):
        steps = np.flatnonzero(ends[index])
        fault = f"ends twice, at steps {steps[0]} and {steps[1]}" if len(steps) else "has no end"
        raise LogoError(f"{path}: episode {first + index}, terminated: the episode {fault}")
    last = np.arange(ends.shape[1]) == lengths[:, None] - 1
    _refuse(ends & ~last, path, first, "terminated", "must be 1 only at the last transition")


def _refuse(bad: np.ndarray, path: Path, first: int, field: str, fault: str) -> None:
    """Raise for the first True of ``bad`` (B, T, ...)."""
    if bad.any():
        episode, step, *rest = (int(i) for i in np.argwhere(bad)[0])
        inside = f", agent {rest[0]}" if field in ("obs", "actions", "avail_actions") else ""
        raise LogoError(
            f"{path}: episode {first + episode}, step {step}, {field}{inside}: value {fault}"
        )
