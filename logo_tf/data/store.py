"""The dataset folder: episodes as plain .npy files behind a hashed manifest.

```
OUT/manifest.json              kind "dataset", spec, provenance, figures, sha256 of each file
OUT/episodes.npy               (E, 3) int64: first row, length T, terminated
OUT/shard-00000/<field>.npy    (R, ...) rows of all episodes, one after the other
```
An episode of T transitions takes T+1 rows; in its last row (what the last action led
to) actions and rewards are zero. What is larger than a shard (512 MiB) stands as records
of all fields, ``shard-00000/rows.npy`` and so on: see ``shards``. Nothing is unpickled.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from logo_tf import artifacts, seeds
from logo_tf.data.columns import read_column, write_column
from logo_tf.data.rows import Column, RowIndex
from logo_tf.data.shards import SHARD_BYTES, ShardWriter, open_rows, shard_files
from logo_tf.data.validate import check_episode
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

KIND = "dataset"
_INDEX = "episodes.npy"
Holding = Literal["auto", "memory", "disk"]
"""Where the rows of a dataset are while it is trained on; see ``load_dataset``."""


class Split(NamedTuple):
    """Episode indices, sorted, without overlap: (E_train,), (E_validation,), (E_test,)."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Dataset:
    """A dataset folder, opened. Rows stay on disk until they are asked for.

    Attributes:
      path: the folder.
      manifest: what it says of itself.
      spec: the scenario spec.
      first_rows: (E,) int64, the row where each episode begins.
      lengths: (E,) int64, transitions T of each episode.
      terminated: (E,) bool, whether the scenario ended it (else a time limit did).
      rows: what is on disk.
      in_memory: whether those who train on it hold all rows in memory; the batches are
        the same.
    """

    def __init__(self, path: Path, manifest: artifacts.Manifest, holding: Holding = "auto") -> None:
        """Open the files; ``load_dataset`` checks them first.

        Raises:
          LogoError: a file is missing, or has another dtype or shape than the
            spec and the episode index ask for.
        """
        self.path = path
        self.manifest = manifest
        self.spec = manifest.scenario
        index = _read_index(path / _INDEX)
        self.first_rows = index[:, 0]
        self.lengths = index[:, 1]
        self.terminated = index[:, 2].astype(bool)
        count = int(self.lengths.sum()) + len(self.lengths)
        self.rows = open_rows(path, manifest.files, _columns(self.spec), count)
        self.in_memory = holding == "memory" or (
            holding == "auto" and self.rows.bytes <= SHARD_BYTES
        )

    @property
    def num_episodes(self) -> int:
        """E."""
        return len(self.lengths)

    @property
    def num_transitions(self) -> int:
        """Transitions in all episodes together; bootstrap rows do not count."""
        return int(self.lengths.sum())

    @functools.cached_property
    def returns(self) -> np.ndarray:
        """(E,) float64, each episode's undiscounted sum of rewards."""
        return self._of_episodes(np.add, np.float64)  # bootstrap rows hold 0

    @functools.cached_property
    def won(self) -> np.ndarray | None:
        """(E,) bool, episodes with a step reward of at least ``spec.win_reward``, if it has one."""
        if self.spec.win_reward is None:
            return None
        return self._of_episodes(np.maximum, np.float32) >= self.spec.win_reward

    def _of_episodes(self, combine: np.ufunc, dtype: type) -> np.ndarray:
        """(E,) each episode's rewards made into one."""
        edges = np.searchsorted(
            self.first_rows, np.arange(0, len(self.rows), self.rows.rows_at_once)
        )
        found: np.ndarray = np.empty(self.num_episodes, dtype)
        for begin, end in itertools.pairwise(np.unique([*edges, self.num_episodes])):
            first = self.first_rows[begin]
            rows = np.arange(first, self.first_rows[end - 1] + self.lengths[end - 1] + 1)
            rewards = self.rows.read(rows, ("rewards",))["rewards"]
            found[begin:end] = combine.reduceat(
                rewards.astype(dtype), self.first_rows[begin:end] - first
            )
        return found

    def field(self, name: str) -> Column:
        """Return one column, (R, ...): row r of episode e is ``first_rows[e] + t``.

        Indexing reads what is asked for, and ``np.asarray`` all of it.

        Args:
          name: observations, state, actions, rewards, legal_actions or agent_mask.
        """
        return Column(self.rows, name)

    def episode(self, index: int) -> Episode:
        """Return one episode as arrays in memory.

        Raises:
          LogoError: there is no such episode.
        """
        if not 0 <= index < self.num_episodes:
            raise LogoError(f"{self.path}: no episode {index}, it has 0 to {self.num_episodes - 1}")
        first, length = int(self.first_rows[index]), int(self.lengths[index])
        found = self.rows.read(first + np.arange(length + 1), tuple(self.rows.fields))
        column = {name: np.ascontiguousarray(values) for name, values in found.items()}
        return Episode(
            observations=column["observations"],
            state=column["state"],
            actions=column["actions"][:length],
            rewards=column["rewards"][:length],
            legal_actions=column["legal_actions"],
            agent_mask=column["agent_mask"],
            terminated=bool(self.terminated[index]),
        )

    def episodes(self) -> Iterator[Episode]:
        """Yield every episode in order."""
        for index in range(self.num_episodes):
            yield self.episode(index)

    def transitions(self, episodes: np.ndarray | None = None) -> RowIndex:
        """The M rows that hold a transition, of all or of the given episodes.

        Raises:
          LogoError: an index is out of range, or the choice is empty.
        """
        chosen = np.arange(self.num_episodes) if episodes is None else np.asarray(episodes)
        if chosen.size == 0:
            raise LogoError(f"{self.path}: no episode was chosen")
        if chosen.min() < 0 or chosen.max() >= self.num_episodes:
            raise LogoError(f"{self.path}: episode indices must be 0 to {self.num_episodes - 1}")
        return RowIndex(self.first_rows[chosen], self.lengths[chosen])

    def transition_rows(self, episodes: np.ndarray | None = None) -> np.ndarray:
        """(M,) int64: the rows of ``transitions``, all in memory; it raises the same."""
        index = self.transitions(episodes)
        return index[np.arange(len(index))]


def write_dataset(
    out: str | Path,
    spec: ScenarioSpec,
    episodes: Iterable[Episode],
    config: dict[str, Any],
    provenance: dict[str, Any],
    parents: dict[str, str] | None = None,
    source: str = "",
    shard_bytes: int = SHARD_BYTES,
) -> Dataset:
    """Check and store episodes as they come; the folder appears whole or not at all.

    Args:
      out: the folder to make.
      spec: what every episode must fit.
      episodes: may be a generator; one episode at a time is held in memory.
      config: the config that made them.
      provenance: where they came from.
      parents: role -> hash of the artefacts they were made from.
      source: named before the episode in messages, such as the imported file.
      shard_bytes: of rows, above which they are cut into shards.

    Returns:
      The dataset, opened.

    Raises:
      LogoError: ``out`` exists, an episode fails ``check_episode``, there is no
        episode, or the disk refuses.
    """
    out = Path(out)
    with artifacts.writing(out) as aside:
        index: list[tuple[int, int, bool]] = []
        returns: list[float] = []
        won = 0
        with ShardWriter(aside, _columns(spec), shard_bytes) as writer:
            for episode in episodes:
                where = f"{source}: episode {len(index)}" if source else f"episode {len(index)}"
                check_episode(episode, spec, where)
                index.append((writer.rows, episode.length, episode.terminated))
                returns.append(episode.episode_return)
                if spec.win_reward is not None:
                    won += bool(episode.rewards.max() >= spec.win_reward)
                writer.append(_rows(episode))
        if not index:
            raise LogoError(f"{source or out}: there is no episode to store")
        write_column(aside / _INDEX, np.asarray(index, np.int64))
        figures: dict[str, Any] = {
            "episodes": len(index),
            "transitions": sum(length for _, length, _ in index),
            "return_mean": float(np.mean(returns)),
            "return_std": float(np.std(returns)),
            "return_min": float(np.min(returns)),
            "return_max": float(np.max(returns)),
        }
        if spec.win_reward is not None:
            figures["won_share"] = won / len(index)
        manifest = artifacts.Manifest(
            kind=KIND,
            spec=spec.to_dict(),
            config=config,
            parents=parents or {},
            provenance=provenance,
            figures=figures,
        )
        artifacts.publish(out, manifest)
    return load_dataset(out, check="manifest")


def load_dataset(
    path: str | Path,
    check: Literal["hash", "manifest"] = "hash",
    holding: Holding = "auto",
) -> Dataset:
    """Open a dataset folder.

    Args:
      path: the folder.
      check: ``hash`` reads every file once and compares its sha256; ``manifest``
        trusts the content and checks names, dtypes and shapes only.
      holding: where rows are while a model is trained on them: in ``memory``, or on
        ``disk``, from which every batch reads its own; ``auto`` holds in memory what fits
        into one shard (512 MiB). The batches are the same to the bit. What is on disk and
        fits into the machine's memory stays in the system's cache, which all processes
        share and which gives way to others.

    Raises:
      LogoError: not a dataset, of another format version, changed since it was
        written, or a column is missing or has the wrong dtype or shape.
    """
    path = Path(path)
    read = artifacts.verify if check == "hash" else artifacts.load_manifest
    manifest = read(path, KIND)
    for name in (_INDEX, *shard_files(manifest.files, _columns(manifest.scenario))):
        if name not in manifest.files:
            raise LogoError(f"{path}: its manifest does not list {name}; make the dataset again")
    return Dataset(path, manifest, holding)


def split_episodes(
    dataset: Dataset, seed: int, validation: float = 0.1, test: float = 0.1
) -> Split:
    """Deal the episodes into three, at random but fixed by the seed.

    Whole episodes are dealt, because neighbouring transitions resemble each other:
    a split by transition would test on what was trained on.

    Args:
      dataset: at least three episodes.
      seed: fixes the deal.
      validation: share of the episodes, rounded, at least one.
      test: share of the episodes, rounded, at least one.

    Raises:
      LogoError: fewer than three episodes, or shares that leave none to train on.
    """
    count = dataset.num_episodes
    if count < 3:
        raise LogoError(f"{dataset.path}: has {count} episodes, a split needs at least 3")
    if min(validation, test) < 0:
        raise LogoError(f"split shares must not be negative: {validation}, {test}")
    held_out = max(1, round(count * validation)), max(1, round(count * test))
    if sum(held_out) >= count:
        raise LogoError(
            f"{dataset.path}: shares {validation} and {test} leave none of {count} episodes "
            "to train on; lower them"
        )
    order = seeds.generator(seed, "split").permutation(count)
    ends = np.cumsum(held_out)
    return Split(
        train=np.sort(order[ends[1] :]),
        validation=np.sort(order[: ends[0]]),
        test=np.sort(order[ends[0] : ends[1]]),
    )


def _columns(spec: ScenarioSpec) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Each column's shape of one row and its dtype."""
    n = spec.num_agents
    return {
        "observations": ((n, spec.observation_dim), np.dtype(np.float32)),
        "state": ((spec.state_dim,), np.dtype(np.float32)),
        "actions": (spec.action_shape, spec.action_dtype),
        "rewards": ((), np.dtype(np.float32)),
        "legal_actions": ((n, spec.legal_dim), np.dtype(bool)),
        "agent_mask": ((n,), np.dtype(bool)),
    }


def _rows(episode: Episode) -> dict[str, np.ndarray]:
    """The T+1 rows of an episode: actions and rewards get the zero bootstrap row."""
    zero = np.zeros((1, *episode.actions.shape[1:]), episode.actions.dtype)
    return {
        "observations": episode.observations,
        "state": episode.state,
        "actions": np.concatenate([episode.actions, zero]),
        "rewards": np.append(episode.rewards, np.float32(0.0)),
        "legal_actions": episode.legal_actions,
        "agent_mask": episode.agent_mask,
    }


def _read_index(file: Path) -> np.ndarray:
    index = read_column(file, (None, 3), np.dtype(np.int64))
    first, lengths, terminated = index[:, 0], index[:, 1], index[:, 2]
    ends = np.cumsum(lengths + 1)
    if (
        not len(index)
        or lengths.min() < 1
        or np.any(first != np.concatenate([[0], ends[:-1]]))
        or not np.isin(terminated, (0, 1)).all()
    ):
        raise LogoError(f"{file}: the episode index contradicts itself; make the dataset again")
    return np.array(index)
