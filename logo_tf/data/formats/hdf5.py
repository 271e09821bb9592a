"""Reading HDF5 files that nobody vouches for: sizes are checked before bytes are read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from logo_tf.errors import LogoError

# One episode, or one compressed chunk, larger than this is refused: it would be held
# in memory whole. The largest SMAC map needs about 1 MiB an episode.
MAX_READ_BYTES = 512 * 2**20
# DEFLATE cannot expand by more than 1032; what claims more is a decompression bomb
# or declares values that the file does not hold.
_MAX_EXPANSION = 1032


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read; its own failures become one line.

    Raises:
      LogoError: missing, not HDF5, truncated or damaged.
    """
    with readable(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextlib.contextmanager
def readable(path: Path, field: str = "") -> Iterator[None]:
    """Turn what h5py raises on a damaged file into one line.

    Raises:
      LogoError: the file cannot be read.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).strip("'\"")
        place = f", {field}" if field else ""
        raise LogoError(
            f"{path}{place}: not a readable HDF5 file ({reason}); fetch it again"
        ) from None


def field_of(
    group: h5py.Group, path: Path, name: str, axes: str | None, above: str = ""
) -> h5py.Dataset:
    """Return one array of the file, checked before any of it is read.

    Args:
      group: the open file, or a group that ``group_of`` returned.
      path: the file's path, for messages.
      name: the array's key.
      axes: what its axes are, one letter each, rows or episodes first; None for any.
      above: the group's own key and a slash, for messages.

    Raises:
      LogoError: missing, not an array stored in this very file, of the wrong rank
        or a dtype that is not a number, empty, or declaring more than it can hold.
    """
    key, name = name, f"{above}{name}"
    with readable(path, name):
        found = _member(group, path, key, name)
        if not isinstance(found, h5py.Dataset):
            raise LogoError(f"{path}: {name} is a group, expected an array")
        if found.is_virtual or found.external:
            raise LogoError(f"{path}: {name} is stored in another file; copy it into this one")
        if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
            raise LogoError(f"{path}: {name} has dtype {found.dtype}, expected plain numbers")
        shape = tuple(found.shape or ())
        if axes is None and not shape:
            raise LogoError(f"{path}: {name} is a single number, expected an array")
        if axes is not None and len(shape) != len(axes):
            raise LogoError(
                f"{path}: {name} has shape {shape}, expected {len(axes)} axes ({', '.join(axes)})"
            )
        if 0 in shape:
            raise LogoError(f"{path}: {name} has shape {shape} and so holds nothing")
        _check_size(found, path, name, shape)
    return found


def group_of(file: h5py.File, path: Path, name: str) -> h5py.Group:
    """Return a group of the file, such as ``episode_0/observations``.

    Raises:
      LogoError: missing, not a group, or not stored in this very file.
    """
    found = file
    with readable(path, name):
        for part in name.split("/"):
            found = _member(found, path, part, name)
            if not isinstance(found, h5py.Group):
                raise LogoError(f"{path}: {name} is an array, expected a group")
    return found


def _member(group: h5py.Group, path: Path, key: str, name: str) -> Any:
    """Go down by a hard link only: others would read other files of this machine."""
    link = group.get(key, getlink=True)
    if link is None:
        raise LogoError(f"{path}: has no array {name!r}; is it of another format?")
    if not isinstance(link, h5py.HardLink):
        raise LogoError(f"{path}: {name} is a link to elsewhere; copy the data into the file")
    return group[key]


def _check_size(found: h5py.Dataset, path: Path, name: str, shape: tuple[int, ...]) -> None:
    item = found.dtype.itemsize
    episode = math.prod(shape[1:]) * item
    chunk = math.prod(found.chunks) * item if found.chunks else 0
    total, stored = math.prod(shape) * item, found.id.get_storage_size()
    if max(episode, chunk) > MAX_READ_BYTES:
        raise LogoError(
            f"{path}: {name} has shape {shape} in chunks of {found.chunks}: more than "
            f"{MAX_READ_BYTES >> 20} MiB to read at once; store it in smaller chunks"
        )
    if total > _MAX_EXPANSION * stored + MAX_READ_BYTES // 512:
        raise LogoError(
            f"{path}: {name} declares shape {shape}, {total} bytes, but stores only {stored}; "
            "the file is cut short or hostile"
        )


def read_rows(found: h5py.Dataset, path: Path, name: str, rows: slice) -> np.ndarray:
    """Read some episodes of an array.

    Raises:
      LogoError: the file is damaged there.
    """
    with readable(path, f"{name}, episodes {rows.start} to {rows.stop - 1}"):
        return np.asarray(found[rows])
