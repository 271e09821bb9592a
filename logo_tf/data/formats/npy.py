"""Mapping .npy files that nobody vouches for: never unpickled, never read whole."""

from __future__ import annotations

import tokenize
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


def mapped(path: Path) -> np.ndarray:
    """Map an array of numbers, read-only.

    Raises:
      LogoError: missing, not a whole .npy file (cut short, or declaring more than it
        holds), Python objects, or a dtype that is not a number.
    """
    if not path.is_file():
        raise LogoError(f"{path}: no such file; the folder is incomplete")
    try:
        found = np.lib.format.open_memmap(path, mode="r")
    except _NOT_NPY as error:
        raise LogoError(f"{path}: not a whole .npy file ({_line(error)})") from None
    except (RecursionError, MemoryError):
        raise LogoError(f"{path}: not a whole .npy file (its header is nonsense)") from None
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        raise LogoError(f"{path}: has dtype {found.dtype}, expected plain numbers")
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
