"""Files and folders that are there whole or not at all, and what the disk says of them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from logo_tf.errors import LogoError


def partial(path: str | Path) -> Path:
    """Where a file or folder grows before its rename; long stages keep checkpoints there."""
    path = Path(path)
    return path.with_name(path.name + ".partial")


def settle(path: str | Path) -> None:
    """Rename what is aside, a folder or a file, into place, once all of it is on the disk.

    Args:
      path: where it will stand; nothing does yet.
    """
    path = Path(path)
    aside = partial(path)
    for part in (*aside.rglob("*"), aside):
        _sync(part)
    aside.rename(path)
    _sync(path.parent)


def write_text(file: str | Path, text: str) -> None:
    """Write a text file whole or not at all: aside, synced, renamed."""
    file = Path(file)
    aside = partial(file)
    with guarded(file):
        try:
            with open(aside, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(file)
        except OSError:
            aside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def guarded(path: str | Path) -> Iterator[None]:
    """Turn the disk's own refusals into one line that names the path.

    Raises:
      LogoError: no space left, over quota, read-only or not permitted.
    """
    remedies = {
        errno.ENOSPC: "the disk is full; free some space and run the same command again",
        errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission denied; choose another folder",
        errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
        errno.EEXIST: "a file stands where a folder is needed; choose another folder",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in remedies:
            raise
        raise LogoError(f"{path}: cannot write: {remedies[error.errno]}") from None


@contextlib.contextmanager
def locked(file: str | Path, busy: str) -> Iterator[None]:
    """Hold an exclusive lock that the system frees when the process dies.

    Raises:
      LogoError: another process holds it; the message begins with ``busy``.
    """
    file = Path(file)
    with open(file, "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A holder that ended between our open and our lock took the name away.
            held = os.fstat(stream.fileno()).st_nlink > 0
        except BlockingIOError:
            held = False
        if not held:
            raise LogoError(f"{busy}; wait for it, or choose another folder")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def sha256(file: str | Path) -> str:
    """Hex sha256 of a file's content."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
