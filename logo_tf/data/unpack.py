"""Unpack an archive that nobody vouches for: aside, bounded, and in place when whole.

Every member must be a plain file or folder inside the archive's own folder, no two may have
one name, and together they must not expand beyond limits. Else nothing is left. Of a member
only its path and bytes are kept: no permissions, owners or times.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path, PurePosixPath

from logo_tf import artifacts, disk
from logo_tf.data.archives import CHUNK, Budget, Member, opened
from logo_tf.errors import LogoError
from logo_tf.metrics import progress

# What file systems take: 255 bytes a name, and paths of a few thousand.
_MAX_NAME, _MAX_PATH = 255, 1000


@dataclasses.dataclass(frozen=True)
class UnpackConfig:
    """How much may come out of an archive.

    Attributes:
      max_bytes: of all members together (64 GiB).
      max_members: files and folders.
      max_ratio: bytes that come out over bytes of the archive. Episodes that are padded
        with zeros compress ten- to fiftyfold, bombs a thousandfold.
    """

    max_bytes: int = 64 * 2**30
    max_members: int = 50_000
    max_ratio: int = 200


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """A folder that came out of an archive.

    Attributes:
      path: the folder.
      files: how many it holds.
      size: bytes of all files.
    """

    path: Path
    files: int
    size: int


def unpack(archive: str | Path, out: str | Path, config: UnpackConfig | None = None) -> Unpacked:
    """Unpack a zip or a tar archive.

    Args:
      archive: the file.
      out: the folder to make; it appears by one rename.
      config: limits.

    Raises:
      LogoError: no such archive, damaged, encrypted or empty; a member that leaves the folder,
        is a link or a device, or has another's name; over a limit; ``out`` exists, or the disk
        refuses. Nothing is left then.
    """
    archive, out, config = Path(archive), Path(out), config or UnpackConfig()
    if not archive.is_file():
        raise LogoError(f"{archive}: no such file")
    budget = Budget(archive, **dataclasses.asdict(config))
    tree = _Tree(archive, budget)
    files = size = 0
    with artifacts.writing(out) as aside:
        bar = progress(f"unpack {archive.name}", None, unit="B")
        with bar, opened(archive, budget) as members:
            for member in members:
                path = aside / tree.admit(member)
                if member.is_folder:
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                files += 1
                with open(path, "xb") as file:
                    while data := member.read(CHUNK):
                        file.write(data)
                        bar.update(len(data))
                    _require_whole(archive, member, file.tell())
                    size += file.tell()
        if not files:
            raise LogoError(f"{archive}: holds no file")
        disk.settle(out)
    return Unpacked(out, files, size)


def _require_whole(archive: Path, member: Member, size: int) -> None:
    if size != member.size:
        raise LogoError(
            f"{archive}: member {member.name!r} declares {member.size} bytes and holds {size}; "
            "fetch it again"
        )


class _Tree:
    """The paths that an archive makes: inside the folder, each once, not too many."""

    def __init__(self, archive: Path, budget: Budget) -> None:
        self._archive, self._budget = archive, budget
        self._seen: dict[str, tuple[str, bool]] = {}  # folded path -> path, whether a folder

    def admit(self, member: Member) -> PurePosixPath:
        """Return the member's path.

        Raises:
          LogoError: it may not be unpacked.
        """
        path = PurePosixPath(member.name)
        fault = member.fault or _name_fault(path, member) or self._clash(path, member.is_folder)
        if fault:
            raise LogoError(f"{self._archive}: member {member.name!r} {fault}; nothing is unpacked")
        self._budget.require_members(len(self._seen))
        return path

    def _clash(self, path: PurePosixPath, is_folder: bool) -> str:
        """Take the path and the folders above it down; say if one is already another's."""
        for part in (path, *path.parents)[:-1]:
            # Case and Unicode forms that some disks take for one name.
            key = unicodedata.normalize("NFC", str(part)).casefold()
            entry = (str(part), is_folder or part != path)
            known = self._seen.setdefault(key, entry)
            if known is not entry:
                same = known == (str(part), True) == entry
                return "" if same else f"takes the place of {known[0]!r}"
        return ""


def _name_fault(path: PurePosixPath, member: Member) -> str:
    if path.is_absolute():
        return "is an absolute path"
    if ".." in path.parts:
        return "leaves the folder"
    if "\\" in member.name or not member.name.isprintable():
        return "has a backslash or an unprintable character in its name"
    if not path.parts and not member.is_folder:
        return "has no name"
    longest = max((len(part.encode()) for part in path.parts), default=0)
    if longest > _MAX_NAME or len(str(path).encode()) > _MAX_PATH:
        return "has too long a name"
    return ""
