"""A file that is being received, and which version of the original it is a part of.

```
OUT.partial        the bytes received so far
OUT.partial.json   the address, and how the server named the version they are of
```
A part may only be continued with bytes of the same version: that is what the note is for.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

from logo_tf import disk
from logo_tf.errors import LogoError


@dataclasses.dataclass(frozen=True)
class Version:
    """What a server says of the state of a file.

    Attributes:
      url: where it was asked for, before any redirect.
      validator: its strong ETag, else its Last-Modified; empty if it has neither, and then
        nobody can say whether two answers are parts of one file.
      total: bytes of the whole file, None where the server does not say.
    """

    url: str
    validator: str = ""
    total: int | None = None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str]) -> Version:
        """Read the headers of an answer, of a whole file or of a range of one."""
        tag = headers.get("ETag", "")
        weak = not tag or tag.startswith("W/")  # may be alike though bytes differ (RFC 9110, 8.8.1)
        length = headers.get("Content-Length", "")
        if "Content-Range" in headers:
            length = headers["Content-Range"].rpartition("/")[2]
        return cls(
            url=url,
            validator=headers.get("Last-Modified", "") if weak else tag,
            total=int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None,
        )


class PartialFile:
    """The file aside, and its note.

    Attributes:
      file: where the bytes are.
      version: what they are a part of.
      size: how many there are.
    """

    def __init__(self, out: Path, url: str) -> None:
        """Take up what an interrupted download of the same address left, or begin empty.

        Raises:
          LogoError: other work goes on in a folder of this name.
        """
        self.file = disk.partial(out)
        if self.file.is_dir():
            raise LogoError(f"{self.file}: is a folder of other work; choose another name")
        self._note = self.file.with_name(self.file.name + ".json")
        self.version = self._noted() or Version("")
        if self.version.url != url or not self.file.is_file():
            self.remove()
            self.version = Version(url)
        self.size = self.file.stat().st_size if self.file.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self.size == self.version.total

    @property
    def can_continue(self) -> bool:
        """Whether the server can tell if the rest is of the same version."""
        return self.size > 0 and self.version.validator != ""

    def begin(self, version: Version) -> None:
        """Forget all bytes: what comes now is the beginning of a version."""
        self.remove()
        disk.write_text(self._note, json.dumps(dataclasses.asdict(version)))
        self.file.touch()
        self.version = version

    def append(self, data: bytes) -> None:
        """Add bytes; they are the file system's when this returns, so that a kill keeps them."""
        with open(self.file, "ab") as stream:
            stream.write(data)
        self.size += len(data)

    def remove(self) -> None:
        """Leave nothing."""
        self.file.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.size = 0

    def settle(self, out: Path) -> None:
        """Rename the file into place."""
        disk.settle(out)
        self._note.unlink(missing_ok=True)

    def _noted(self) -> Version | None:
        try:
            return Version(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
