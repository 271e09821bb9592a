""".npy columns that grow row by row on disk, and whose rows are read where they stand."""

from __future__ import annotations

import io
import math
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from logo_tf.errors import LogoError


class ColumnWriter:
    """Appends rows to one .npy file a column, in memory that does not grow with them.

    NumPy pads a .npy header so that the length of its first axis can be rewritten
    in place; the header is written with no rows first and corrected on leaving.
    """

    def __init__(
        self, folder: Path, columns: Mapping[str, tuple[tuple[int, ...], np.dtype]]
    ) -> None:
        """Name the columns: each a shape of one row and a dtype."""
        self._folder = folder
        self._columns = dict(columns)
        self._streams: dict[str, IO[bytes]] = {}
        self.rows = 0

    def __enter__(self) -> ColumnWriter:
        for name in self._columns:
            self._streams[name] = open(self._folder / f"{name}.npy", "wb")
            self._header(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                for name, stream in self._streams.items():
                    stream.seek(0)
                    self._header(name)
                    stream.flush()
        finally:
            for stream in self._streams.values():
                _close(stream, quietly=error is not None)

    def append(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add the same number of rows to every column."""
        for name, (_, dtype) in self._columns.items():
            values = np.ascontiguousarray(rows[name], dtype)
            self._streams[name].write(values.tobytes())
        self.rows += len(next(iter(rows.values())))

    def _header(self, name: str) -> None:
        shape, dtype = self._columns[name]
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (self.rows, *shape),
        }
        np.lib.format.write_array_header_1_0(self._streams[name], header)


def write_column(file: Path, values: np.ndarray) -> None:
    """Write a whole column at once."""
    # In memory first: NumPy's own writing to a file hides the errno of a full disk.
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, allow_pickle=False)
    file.write_bytes(stream.getvalue())


class ColumnFile:
    """A .npy file, open to be read at any row.

    It is not mapped: pages of a map count as memory of the process, and a file that is cut
    short while it is mapped kills it.

    Attributes:
      path: the file.
      rows: how many it holds.
      descriptor: of the open file; it is closed with this object.
      header: bytes before the first row.
    """

    def __init__(self, file: Path, shape: tuple[int | None, ...], dtype: np.dtype) -> None:
        """Open it and read its header.

        Args:
          file: the file.
          shape: the shape it must have; None matches any size.
          dtype: the dtype it must have.

        Raises:
          LogoError: missing, not a whole .npy file, or of another shape or dtype.
        """
        self.path = file
        try:
            self.descriptor = os.open(file, os.O_RDONLY)
        except FileNotFoundError:
            raise LogoError(f"{file}: missing; make the dataset again") from None
        except OSError as error:  # such as more shards than the process may open files
            raise LogoError(f"{file}: cannot be opened: {error.strerror}") from None
        weakref.finalize(self, os.close, self.descriptor)
        try:
            # Rows are read here and there; what would be read ahead of them is never used.
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            found, self.header = self._shape(shape, dtype)
        except (ValueError, OSError, EOFError) as error:
            reason = " ".join(str(error).split())
            raise LogoError(f"{file}: not a whole .npy file ({reason}); make it again") from None
        self.rows = found[0]

    def _shape(self, shape: tuple[int | None, ...], dtype: np.dtype) -> tuple[tuple[int, ...], int]:
        """The shape it has, and where its rows begin."""
        with open(self.descriptor, "rb", closefd=False) as stream:
            version = np.lib.format.read_magic(stream)
            if version != (1, 0):
                raise ValueError(f"header version {version}")
            found, fortran, kind = np.lib.format.read_array_header_1_0(stream)
            header = stream.tell()
        if fortran:
            raise ValueError("Fortran order")
        fits = len(found) == len(shape) and all(
            want in (None, size) for size, want in zip(found, shape, strict=True)
        )
        if not fits or kind != dtype:
            wanted = ", ".join("*" if size is None else str(size) for size in shape)
            raise LogoError(
                f"{self.path}: holds {kind} of shape {found}, expected {dtype} of ({wanted}); "
                "make the dataset again"
            )
        promised = header + math.prod(found) * dtype.itemsize
        held = os.fstat(self.descriptor).st_size
        if held < promised:
            raise ValueError(f"{held} bytes, its header promises {promised}")
        return found, header


def read_column(file: Path, shape: tuple[int | None, ...], dtype: np.dtype) -> np.ndarray:
    """Read a whole column into memory.

    Raises:
      LogoError: as ``ColumnFile`` raises.
    """
    ColumnFile(file, shape, dtype)
    with open(file, "rb") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _close(stream: IO[bytes], quietly: bool) -> None:
    try:
        stream.close()
    except OSError:
        # A full disk fails again when the buffer is flushed: keep the first error.
        if not quietly:
            raise
