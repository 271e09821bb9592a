"""Rows of a dataset on disk, read from wherever they stand in its files.

Every read names the rows it wants and gets copies of them, so that memory does not grow with
what was read. Rows that follow one another are read at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from logo_tf.data.columns import ColumnFile
from logo_tf.errors import LogoError

Fields = Mapping[str, tuple[tuple[int, ...], np.dtype]]
"""Each field's shape of one row and its dtype."""

# What is asked of the disk at once, and what a block of rows takes.
_BLOCK_BYTES = 2**24


class RowIndex:
    """The rows of some stretches, one after the other: numbers that are worked out, not held.

    A dataset has millions of rows; its stretches are as many as its episodes.
    """

    def __init__(self, first: np.ndarray, lengths: np.ndarray) -> None:
        """Args: first: (E,) where each stretch begins; lengths: (E,) its rows, 1 or more."""
        self.first, self.ends = first, np.cumsum(lengths)

    @classmethod
    def all(cls, count: int) -> RowIndex:
        """Every row of so many."""
        return cls(np.array([0]), np.array([count]))

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        """(M,) row numbers at places (M,) of 0 to ``len`` - 1."""
        stretch = np.searchsorted(self.ends, places, side="right")
        return np.asarray(self.first[stretch] + places - self.begins[stretch])

    @property
    def begins(self) -> np.ndarray:
        """(E,) the place of each stretch's first row."""
        return np.concatenate([[0], self.ends[:-1]])


class Rows:
    """The fields of every row, over the files of all shards.

    A file of one field or of several holds one record a row; fields without numbers (the
    legal actions of continuous agents) stand in no file.
    """

    def __init__(self, fields: Fields, files: Sequence[tuple[np.dtype, list[ColumnFile]]]) -> None:
        """Take the open files.

        Args:
          fields: all that a row has.
          files: the record of a file, a structured dtype, and the files that hold it, one a
            shard.
        """
        self.fields = fields
        self._tables = [_Records(record, shards) for record, shards in files]
        counts = [file.rows for file in files[0][1]]
        self._first = np.cumsum([0, *counts[:-1]])
        self._count = sum(counts)

    def __len__(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        """What all rows take."""
        return len(self) * self._row_bytes

    @property
    def rows_at_once(self) -> int:
        """How many rows are some megabytes."""
        return max(_BLOCK_BYTES // self._row_bytes, 1)

    @property
    def _row_bytes(self) -> int:
        return sum(table.record.itemsize for table in self._tables)

    def read(self, rows: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Read rows in any order.

        Args:
          rows: (M,) int64 their numbers.
          names: of the fields that are wanted.

        Returns:
          Name -> (M, ...); views into what was read.

        Raises:
          LogoError: a file is shorter than it was when it was opened, or the disk fails.
        """
        found: dict[str, np.ndarray] = {}
        runs = self._runs(rows) if len(rows) else None
        for table in self._tables:
            wanted = [name for name in table.names if name in names]
            if wanted and runs is not None:
                records = table.read(*runs)
                found |= {name: records[name] for name in wanted}
        for name in set(names) - set(found):
            shape, dtype = self.fields[name]
            found[name] = np.zeros((len(rows), *shape), dtype)
        return found

    def blocks(
        self, index: RowIndex, names: Sequence[str]
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield the rows of an index in order, some at a time: their numbers and their fields."""
        for begin in range(0, len(index), self.rows_at_once):
            rows = index[np.arange(begin, min(begin + self.rows_at_once, len(index)))]
            yield rows, self.read(rows, names)

    def _runs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows of one shard that follow one another: shard, first row, that in its file, count."""
        if rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"rows are 0 to {len(self) - 1}, got {rows.min()} to {rows.max()}")
        shard = np.searchsorted(self._first, rows, side="right") - 1
        new = (np.diff(rows) != 1) | (np.diff(shard) != 0)
        begins = np.concatenate([[0], np.flatnonzero(new) + 1])
        counts = np.diff(begins, append=len(rows))
        most = self.rows_at_once
        if counts.max() > most:
            parts = -(-counts // most)
            within = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
            begins = np.repeat(begins, parts) + within * most
            counts = np.diff(begins, append=len(rows))
        shard, first = shard[begins], rows[begins]
        return shard, first, first - self._first[shard], counts


class Column:
    """One field of all rows, (R, ...); what is asked for is read."""

    def __init__(self, rows: Rows, name: str) -> None:
        """Args: rows: of the dataset; name: of the field."""
        self._rows, self._name = rows, name
        shape, self.dtype = rows.fields[name]
        self.shape = (len(rows), *shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows by number, array of numbers or slice; then whole numbers or slices of a row."""
        at, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(at, slice):
            at = np.arange(*at.indices(len(self)))
        at = np.asarray(at)
        if at.dtype == bool:
            at = np.flatnonzero(at)
        flat, most = at.reshape(-1), self._rows.rows_at_once
        values = np.empty((len(flat), *self.shape[1:]), self.dtype)
        # Of records all fields are read: not of all rows at once.
        for begin in range(0, len(flat), most):
            some = slice(begin, begin + most)
            values[some] = self._rows.read(flat[some], (self._name,))[self._name]
        values = values.reshape(at.shape + self.shape[1:])
        return values[(..., *rest, *[slice(None)] * (len(self.shape) - 1 - len(rest)))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it, in memory."""
        whole = np.empty(self.shape, self.dtype)
        for rows, values in self._rows.blocks(RowIndex.all(len(self)), (self._name,)):
            whole[rows] = values[self._name]
        return np.asarray(whole, dtype)


class _Records:
    """Files of equal records, one a shard."""

    def __init__(self, record: np.dtype, files: list[ColumnFile]) -> None:
        self.record = record
        self.names: tuple[str, ...] = record.names or ()
        self._files = files
        self._descriptors = np.array([file.descriptor for file in files])
        self._headers = np.array([file.header for file in files])

    def read(
        self, shard: np.ndarray, first: np.ndarray, local: np.ndarray, count: np.ndarray
    ) -> np.ndarray:
        """(M,) records of the runs, which ``Rows`` found."""
        size = self.record.itemsize
        runs = (
            self._descriptors[shard].tolist(),
            (count * size).tolist(),
            (self._headers[shard] + local * size).tolist(),
        )
        try:
            # Called from C for each run: a loop in Python would cost as much as the reads.
            data = bytearray().join(map(os.pread, *runs))
        except OSError as error:
            raise LogoError(f"{self._files[0].path.parents[1]}: {error.strerror}") from None
        if len(data) < count.sum() * size:
            for number, row, run in zip(shard, first, zip(*runs, strict=True), strict=True):
                if (missing := run[1] - len(os.pread(*run))) > 0:
                    raise LogoError(
                        f"{self._files[number].path}: ends {missing} bytes too early for what "
                        f"begins at row {row}, though it was whole when it was opened; bring the "
                        "file back, and the same command resumes"
                    )
        return np.frombuffer(data, self.record)
