"""What an archive holds, member by member: zip, or tar, plain or in gzip, bzip2 or xz.

Which one it is, its first bytes say, not its name. Nothing else that it says of itself is
believed: bytes are counted as they come out, and no read is larger than ``CHUNK``, for a
header may declare gigabytes.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from logo_tf.errors import LogoError

CHUNK = 2**14
# The list of a zip's members is read whole: 16 MiB name some hundred thousand.
_MAX_LIST = 2**24
_COMPRESSED: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Member(NamedTuple):
    """A file or folder in an archive.

    Attributes:
      name: its path.
      is_folder: whether it is one.
      size: bytes that it declares.
      fault: what it is besides a plain file or folder, such as "is a symbolic link".
      read: returns the next bytes, at most as many as it is given; empty at the end. To be
        called before the next member is asked for.
    """

    name: str
    is_folder: bool
    size: int
    fault: str
    read: Callable[[int], bytes]


class Budget:
    """What may come out of an archive."""

    def __init__(self, archive: Path, max_bytes: int, max_members: int, max_ratio: int) -> None:
        """Open an account; ``unpack.UnpackConfig`` says what the limits are."""
        self._archive, self._max_members, self._spent = archive, max_members, 0
        # A few zeros compress well: the first MiB tells nothing of an archive.
        by_ratio = max(max_ratio * archive.stat().st_size, 2**20)
        self._most = min(max_bytes, by_ratio)
        self._limit = (
            f"{max_bytes} bytes (--max-size)"
            if max_bytes <= by_ratio
            else f"{max_ratio} times its own size (--max-ratio)"
        )

    def spend(self, count: int) -> None:
        """Take bytes off.

        Raises:
          LogoError: there are not so many left.
        """
        self._spent += count
        if self._spent > self._most:
            raise LogoError(f"{self._archive}: expands to more than {self._limit}")

    def require_members(self, count: int) -> None:
        """Check a number of members.

        Raises:
          LogoError: there are too many.
        """
        if count > self._max_members:
            raise LogoError(
                f"{self._archive}: holds more than {self._max_members} files and folders "
                "(--max-members)"
            )


@contextlib.contextmanager
def opened(path: Path, budget: Budget) -> Iterator[Iterator[Member]]:
    """Open an archive: its members in the order they are stored.

    Args:
      path: the archive.
      budget: pays for what is read.

    Raises:
      LogoError: neither a zip nor a tar, damaged or cut short; or over the budget.
    """
    with _readable(path):
        with open(path, "rb") as file:
            start = file.read(8)
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with _Bounded(open(path, "rb", buffering=0)) as file, zipfile.ZipFile(file) as archive:
                yield _zip_members(archive, budget)
            return
        decompress = next((how for magic, how in _COMPRESSED if start.startswith(magic)), open)
        with decompress(path, "rb") as stream:
            forward = _Forward(stream, budget)
            with tarfile.TarFile(fileobj=forward) as archive:  # type: ignore[arg-type]
                yield _tar_members(archive, forward)


def _zip_members(archive: zipfile.ZipFile, budget: Budget) -> Iterator[Member]:
    budget.require_members(len(archive.infolist()))  # before the first is written
    for info in archive.infolist():
        fault, is_folder = _zip_fault(info), info.filename.endswith("/")
        if fault or is_folder:
            yield Member(info.orig_filename, is_folder, 0, fault, _nothing)
            continue
        with archive.open(info) as content:

            def read(most: int, content: Any = content) -> bytes:
                data: bytes = content.read(most)
                budget.spend(len(data))
                return data

            yield Member(info.orig_filename, False, info.file_size, "", read)


def _nothing(most: int) -> bytes:
    return b""


def _zip_fault(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if info.flag_bits & 0x2041:
        return "is encrypted"
    # Of others zipfile decompresses as much at a time as there is.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed otherwise than by deflate"
    return ""


def _tar_members(archive: tarfile.TarFile, stream: _Forward) -> Iterator[Member]:
    for info in archive:
        fault = _tar_fault(info)
        if fault or info.isdir():
            yield Member(info.name, info.isdir(), 0, fault, _nothing)
            continue
        content: Any = archive.extractfile(info)
        yield Member(info.name, False, info.size, "", content.read)
    if stream.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes any other end for one, too
        raise tarfile.ReadError("its end is missing")
    while stream.read(CHUNK):  # the checksum of a compressed stream comes at its end
        pass


def _tar_fault(info: tarfile.TarInfo) -> str:
    if info.issym():
        return "is a symbolic link"
    if info.islnk():
        return "is a hard link"
    if info.issparse():  # its holes cost nothing to declare, and are not read
        return "is a sparse file"
    return "" if info.isreg() or info.isdir() else "is neither a file nor a folder"


class _Bounded(io.BufferedReader):
    """A file of which little is read at once, whatever its headers declare."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_LIST:
            raise zipfile.BadZipFile(f"the list of its members takes {size} bytes")
        return super().read(size)


class _Forward:
    """What tarfile reads of: forward only, paid for, and little at once.

    Attributes:
      last: what was read last.
    """

    def __init__(self, stream: Any, budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise tarfile.ReadError("a header leads backwards")
        while self._position < position and self.read(min(CHUNK, position - self._position)):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self._stream.read(size)
        self._budget.spend(len(self.last))
        self._position += len(self.last)
        return self.last


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the readers raise into one line."""
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's; EINVAL is what seeking to where a bad header points gives
        reason = " ".join(ascii(str(error)).strip("'\"").split())
        raise LogoError(
            f"{path}: not a readable zip or tar archive ({reason}); fetch it again"
        ) from None
