""".npy columns that grow row by row on disk and are mapped back when read."""

from __future__ import annotations

import io
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


def read_column(file: Path, shape: tuple[int | None, ...], dtype: np.dtype) -> np.ndarray:
    """Map a .npy file, read-only.

    Args:
      file: the file.
      shape: the shape it must have; None matches any size.
      dtype: the dtype it must have.

    Raises:
      LogoError: missing, not a whole .npy file, or of another shape or dtype.
    """
    try:
        with open(file, "rb") as stream:
            version = np.lib.format.read_magic(stream)
            if version != (1, 0):
                raise ValueError(f"header version {version}")
            found, fortran, kind = np.lib.format.read_array_header_1_0(stream)
            if fortran:
                raise ValueError("Fortran order")
            fits = len(found) == len(shape) and all(
                want in (None, size) for size, want in zip(found, shape, strict=True)
            )
            if not fits or kind != dtype:
                wanted = ", ".join("*" if size is None else str(size) for size in shape)
                raise LogoError(
                    f"{file}: holds {kind} of shape {found}, expected {dtype} of ({wanted}); "
                    "make the dataset again"
                )
        if 0 in found:
            return np.zeros(found, dtype)  # an empty file cannot be mapped
        mapped: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        return mapped
    except FileNotFoundError:
        raise LogoError(f"{file}: missing; make the dataset again") from None
    except (ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise LogoError(f"{file}: not a whole .npy file ({reason}); make it again") from None


def _close(stream: IO[bytes], quietly: bool) -> None:
    try:
        stream.close()
    except OSError:
        # A full disk fails again when the buffer is flushed: keep the first error.
        if not quietly:
            raise
