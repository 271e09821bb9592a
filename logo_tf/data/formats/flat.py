"""Episodes in files that keep one row after the other, on a time axis without episodes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.tidy import MAX_EPISODE_BYTES
from logo_tf.errors import LogoError

# The flags that mark ends are held for the whole file.
_MAX_ROWS = 2**26


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows ``start`` to ``stop - 1`` of a file are one episode.

    Attributes:
      index: its number in the file.
      start: its first row.
      stop: the row after its last.
      ended: whether its last row says that it ended; only the file's last may not.
    """

    index: int
    start: int
    stop: int
    ended: bool = True

    def named(self, path: Path) -> str:
        """How messages name it."""
        return f"{path}: episode {self.index}"

    def require_end(self, path: Path, field: str) -> None:
        """Check that it has an end.

        Raises:
          LogoError: the file stops in the middle of it.
        """
        if not self.ended:
            raise LogoError(
                f"{self.named(path)}, {field}: the episode has no end (rows {self.start} to "
                f"{self.stop - 1}, the file's last); --on-error drop-episode leaves it out"
            )

    def require_size(self, path: Path, row_bytes: int) -> None:
        """Check that it can be held in memory, before it is read.

        Args:
          path: for the message.
          row_bytes: bytes a row of all fields together.

        Raises:
          LogoError: it is too long.
        """
        if (self.stop - self.start) * row_bytes > MAX_EPISODE_BYTES:
            raise LogoError(
                f"{self.named(path)}: {self.stop - self.start} rows take more than "
                f"{MAX_EPISODE_BYTES >> 20} MiB; are the ends of episodes marked?"
            )


class Segments:
    """All episodes of a file, in order; held as numbers, for there may be millions.

    Attributes:
      limit: length in rows that a time limit cuts, where a file marks all ends alike: the
        longest, when two episodes or more have it; else 0, for none.
    """

    def __init__(self, ends: np.ndarray) -> None:
        """Cut a file into episodes.

        Args:
          ends: (rows,) bool, the last row of each episode.
        """
        stops = np.flatnonzero(ends) + 1
        self._ended = bool(ends[-1])
        self._edges = np.concatenate([[0], stops, [] if self._ended else [len(ends)]]).astype(int)
        lengths = np.diff(self._edges)
        self.limit = int(lengths.max()) if np.sum(lengths == lengths.max()) > 1 else 0

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __iter__(self) -> Iterator[Segment]:
        for index, (start, stop) in enumerate(itertools.pairwise(self._edges)):
            ended = self._ended or index < len(self) - 1
            yield Segment(index, int(start), int(stop), ended)


def require_rows(path: Path, rows: int) -> None:
    """Check that a file's rows can be counted in memory.

    Raises:
      LogoError: there are too many, or none.
    """
    if not 0 < rows <= _MAX_ROWS:
        raise LogoError(f"{path}: has {rows} rows, from 1 to {_MAX_ROWS} are read; split the file")


def without_last_row(raw: RawEpisode, how: str) -> RawEpisode:
    """Make T+1 rows where the file has none after an episode's last action.

    Args:
      raw: with as many rows of everything as there are actions.
      how: ``repeat`` adds a copy of the last row, so that no reward is lost; ``drop``
        leaves the last action out, so that every row is the file's own.
    """
    if how == "drop":
        return dataclasses.replace(
            raw,
            actions=[values[:-1] for values in raw.actions],
            rewards=raw.rewards[:-1],
            terminated=False,
        )
    return dataclasses.replace(
        raw,
        observations=[_again(values) for values in raw.observations],
        state=None if raw.state is None else _again(raw.state),
        legal=None if raw.legal is None else [_again(values) for values in raw.legal],
        invented=True,
    )


def _again(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values[-1:]])
