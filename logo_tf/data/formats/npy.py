"""Reading .npy files that nobody vouches for: never unpickled, never read whole."""

from __future__ import annotations

import math
import os
import tokenize
import weakref
from pathlib import Path

import numpy as np

from logo_tf.errors import LogoError

# A header is a Python literal, which NumPy tokenizes and evaluates: damaged ones end in these.
_NOT_NPY = (
    ValueError,
    OSError,
    EOFError,
    TypeError,
    LookupError,
    SyntaxError,
    OverflowError,
    tokenize.TokenError,
)


class NpyFile:
    """An array of numbers on disk, whose rows are read as they are asked for.

    It is not mapped: pages of a map count as memory of the process, and a file that is cut
    short while it is mapped kills it.

    Attributes:
      shape: rows first.
      dtype: of a number.
    """

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
          LogoError: missing, not a whole .npy file (cut short, or declaring more than it
            holds), Python objects, or a dtype that is not a number.
        """
        if not path.is_file():
            raise LogoError(f"{path}: no such file; the folder is incomplete")
        try:
            found = np.lib.format.open_memmap(path, mode="r")  # checks the length, reads nothing
        except _NOT_NPY as error:
            raise LogoError(f"{path}: not a whole .npy file ({_line(error)})") from None
        except (RecursionError, MemoryError):
            raise LogoError(f"{path}: not a whole .npy file (its header is nonsense)") from None
        if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
            raise LogoError(f"{path}: has dtype {found.dtype}, expected plain numbers")
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:  # such as more files than the process may open
            raise LogoError(f"{path}: cannot be opened: {error.strerror}") from None
        weakref.finalize(self, os.close, self._descriptor)
        self._path, self._begin = path, int(found.offset)
        self.shape, self.dtype = found.shape, found.dtype
        self._by_column = not found.flags.c_contiguous

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def rows(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, ...): some rows.

        Raises:
          LogoError: the file has become shorter, or the disk fails.
        """
        count = stop - start
        try:
            if self._by_column:  # (R, D) in Fortran's order
                begins = start + self.shape[0] * np.arange(self.shape[1])
                return np.stack([self._read(int(begin), count) for begin in begins], axis=1)
            size = math.prod(self.shape[1:])
            return self._read(start * size, count * size).reshape(count, *self.shape[1:])
        except (OSError, ValueError) as error:
            raise LogoError(
                f"{self._path}: rows {start} to {stop - 1} cannot be read ({_line(error)})"
            ) from None

    def _read(self, first: int, count: int) -> np.ndarray:
        size = self.dtype.itemsize
        content = os.pread(self._descriptor, count * size, self._begin + first * size)
        if len(content) < count * size:
            raise ValueError("it is cut short")
        return np.frombuffer(content, self.dtype)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
