"""How a dataset's rows lie in its shards: as columns while they are few, else as records.

```
shard-00000/<field>.npy    what fits into one shard: a column a field
shard-0000k/rows.npy       what does not: all fields of a row together, whole episodes a shard
```
Columns are plain arrays for anyone to read. Of a large dataset a batch takes rows from
everywhere, and one record is one read where columns are five.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from logo_tf.data.columns import ColumnFile, ColumnWriter
from logo_tf.data.rows import Fields, RowIndex, Rows
from logo_tf.errors import LogoError

SHARD_BYTES = 2**29
"""Of rows in a shard, at most, unless one episode has more."""

_ROWS = "rows"


def open_rows(path: Path, listed: Collection[str], fields: Fields, count: int) -> Rows:
    """Open the rows of a dataset.

    Args:
      path: its folder.
      listed: the files of its manifest.
      fields: of a row.
      count: R, how many rows its episodes have.

    Raises:
      LogoError: a file is missing, or has another dtype or shape than was asked for.
    """
    if not _of_records(listed):
        shard, files = path / _folder(0), []
        for name, (shape, dtype) in fields.items():
            file = ColumnFile(shard / f"{name}.npy", (count, *shape), dtype)
            if 0 not in shape:
                files.append((_record({name: fields[name]}), [file]))
        return Rows(fields, files)
    record = _record(fields)
    shards = [ColumnFile(path / name, (None,), record) for name in shard_files(listed, fields)]
    held = sum(file.rows for file in shards)
    if held != count:
        raise LogoError(
            f"{path}: its shards hold {held} rows, its episodes have {count}; "
            "make the dataset again"
        )
    return Rows(fields, [(record, shards)])


def shard_files(listed: Collection[str], fields: Fields) -> list[str]:
    """The files in which the rows stand, in order, of a dataset with such a manifest."""
    if not _of_records(listed):
        return [f"{_folder(0)}/{name}.npy" for name in fields]
    shards = sum(name.endswith(f"/{_ROWS}.npy") for name in listed)
    return [f"{_folder(number)}/{_ROWS}.npy" for number in range(shards)]


class ShardWriter:
    """Appends rows, in memory that does not grow with them.

    Attributes:
      rows: how many there are.
    """

    def __init__(self, folder: Path, fields: Fields, shard_bytes: int = SHARD_BYTES) -> None:
        """Args: folder: the dataset's; fields: of a row; shard_bytes: of rows in a shard."""
        self._folder, self._fields = folder, fields
        record = _record(fields)
        self._records = {_ROWS: ((), record)}
        self._most = max(shard_bytes // record.itemsize, 1)
        self._shards = 0
        self.rows = 0

    def __enter__(self) -> ShardWriter:
        self._writer = self._begin(self._fields)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def append(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add an episode: the same number of rows of every field."""
        count = len(next(iter(rows.values())))
        if self._writer.rows and self._writer.rows + count > self._most:
            self._writer.__exit__(None, None, None)
            if self._shards == 1:
                self._rewrite()
            self._writer = self._begin(self._records)
        self._add(rows, count)
        self.rows += count

    def _add(self, rows: Mapping[str, np.ndarray], count: int) -> None:
        if self._shards == 1:
            self._writer.append(rows)
        else:
            self._writer.append({_ROWS: _joined(rows, self._records[_ROWS][1], count)})

    def _begin(self, columns: Fields) -> ColumnWriter:
        shard = self._folder / _folder(self._shards)
        shard.mkdir()
        self._shards += 1
        return ColumnWriter(shard, columns).__enter__()

    def _rewrite(self) -> None:
        """Make records of the columns of the first shard."""
        listed = [f"{_folder(0)}/{name}.npy" for name in self._fields]
        columns = open_rows(self._folder, listed, self._fields, self.rows)
        record = self._records[_ROWS][1]
        with ColumnWriter(self._folder / _folder(0), self._records) as writer:
            for _, values in columns.blocks(RowIndex.all(len(columns)), tuple(self._fields)):
                writer.append({_ROWS: _joined(values, record, len(values["rewards"]))})
        for name in listed:
            (self._folder / name).unlink()


def _folder(shard: int) -> str:
    return f"shard-{shard:05d}"


def _of_records(listed: Collection[str]) -> bool:
    return f"{_folder(0)}/{_ROWS}.npy" in listed


def _record(fields: Fields) -> np.dtype:
    """Of one row: numbers of four bytes first, so that none lies across a word."""
    kept = [(name, dtype, shape) for name, (shape, dtype) in fields.items() if 0 not in shape]
    return np.dtype(sorted(kept, key=lambda field: -field[1].itemsize), align=True)


def _joined(rows: Mapping[str, np.ndarray], record: np.dtype, count: int) -> np.ndarray:
    joined = np.zeros(count, record)
    for name in record.names or ():
        joined[name] = rows[name]
    return joined
