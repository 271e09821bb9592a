"""Numbered versions of a model repository: the next one, made aside, and one rename.

``REPOSITORY/NAME/VERSION/`` is TensorFlow Serving's layout. A version grows in
``VERSION.partial``, which no server lists because it is not a number, and
``artifacts`` syncs and renames it; existing versions are only counted. ``VERSION.withdrawn``
is one that was rolled back, whose number is not given again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.errors import LogoError

# Behind the number of a version that was rolled back: no server lists it.
WITHDRAWN = ".withdrawn"
NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


def check_name(name: str) -> str:
    """Return the name of a servable model, if it is one.

    Raises:
      LogoError: it is not 1 to 64 letters, digits and underscores. Names travel in
        URLs and become folders, so nothing else is let through.
    """
    if not NAME.fullmatch(name):
        raise LogoError(
            f"export name {name!r}: use 1 to 64 letters, digits and underscores, such as cheetah_v2"
        )
    return name


def versions(folder: Path) -> list[int]:
    """The version numbers under ``REPOSITORY/NAME``, ascending; other children are skipped."""
    if not folder.is_dir():
        return []
    names = [child.name for child in folder.iterdir() if child.is_dir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


@contextlib.contextmanager
def new_version(repository: Path, name: str) -> Iterator[Path]:
    """Open the next version of a model; ``artifacts.publish(path, ...)`` ends it.

    Args:
      repository: the folder of all models, such as ``saved_models``.
      name: of the model.

    Yields:
      Where the version will stand. It grows in ``disk.partial`` of that, which
      is removed if anything fails.

    Raises:
      LogoError: the name is not one, another process exports under it, or the disk refuses.
    """
    folder = repository / check_name(name)
    with disk.guarded(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise LogoError(
                f"{folder}: a file stands where a folder is needed; choose another name"
            ) from None
        try:
            # Held while the number is chosen and filled, so that two exports never share one.
            with locked_folder(folder):
                path = folder / str(_next(folder))
                with artifacts.writing(path):
                    yield path
        finally:
            _remove_if_empty(folder)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a model's folder against other exports.

    Raises:
      LogoError: another process holds it.
    """
    busy = f"{folder}: another process is exporting under this name"
    with disk.locked(folder / "export.lock", busy):
        yield


def _next(folder: Path) -> int:
    """The number after all that were given, those that were rolled back too."""
    withdrawn = (child.name.removesuffix(WITHDRAWN) for child in folder.glob(f"*{WITHDRAWN}"))
    numbers = [int(name) for name in withdrawn if name.isascii() and name.isdigit()]
    return max([*versions(folder), *numbers], default=0) + 1


def _remove_if_empty(folder: Path) -> None:
    """A first export that failed leaves no folder behind; rmdir refuses a folder in use."""
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def tensorflow_guarded(path: Path) -> Iterator[None]:
    """Turn TensorFlow's own failures to write files into one line.

    Raises:
      LogoError: the disk is full or refuses, with the system's words for it.
    """
    try:
        yield
    except (
        tf.errors.ResourceExhaustedError,
        tf.errors.PermissionDeniedError,
        tf.errors.FailedPreconditionError,
        tf.errors.UnknownError,
    ) as error:
        # "<op>: <file>; No space left on device [Op:SaveV2]"
        reason = str(error.message).splitlines()[0].split("; ")[-1].split(" [Op:")[0]
        raise LogoError(
            f"{path}: cannot write: {reason}; free some space or choose another folder"
        ) from None
