"""Fetch a file over HTTP: resumed, bounded, checked against a sha256, in place when whole.

An interrupted download (a lost connection, a kill) leaves ``OUT.partial`` and is continued
by the same call, if the server says that the file is still the one it was; else it begins
anew, so that two versions are never spliced.

Where no sha256 is given nothing can be checked but that the file is as long as the server
said. It is accepted all the same, and its own sha256 returned, to pin it from then on: the
field's datasets come without checksums, and to refuse them would send users to a browser,
which checks less.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import urlsplit

import requests

import logo_tf
from logo_tf import disk
from logo_tf.data.partial_file import PartialFile
from logo_tf.data.transfer import DownloadConfig, Transfer
from logo_tf.errors import LogoError
from logo_tf.metrics import progress


@dataclasses.dataclass(frozen=True)
class Downloaded:
    """A file that was fetched.

    Attributes:
      path: where it is.
      size: bytes.
      sha256: of its content, as it lies on the disk.
      changed: the file was another one when the download began, which therefore began anew.
    """

    path: Path
    size: int
    sha256: str
    changed: bool


def download(url: str, out: str | Path, config: DownloadConfig | None = None) -> Downloaded:
    """Fetch a file.

    Args:
      url: http or https.
      out: the file to make; it appears by one rename.
      config: checksum and limits.

    Raises:
      LogoError: not such an address, ``out`` exists, the server refuses, is lost for good or
        redirects to where nothing is followed, the file is too long or has another sha256,
        or the disk refuses. Nothing stands at ``out`` then; what may be continued is kept.
    """
    out, config = Path(out), config or DownloadConfig()
    _require_address(url)
    if config.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", config.sha256):
        raise LogoError(f"{config.sha256!r} is no sha256, which has 64 hex digits")
    if out.is_dir():
        name = urlsplit(url).path.rpartition("/")[2] or "data"
        raise LogoError(f"{out}: is a folder; name the file to make, such as {out / name}")
    if out.exists():
        raise LogoError(f"{out}: already exists; choose another name or remove it first")
    with disk.guarded(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = out.with_name(out.name + ".lock")
        with disk.locked(lock, f"{out}: another process is fetching it"):
            return _fetch(url, out, config)


def _fetch(url: str, out: Path, config: DownloadConfig) -> Downloaded:
    partial = PartialFile(out, url)
    bar = progress(f"download {out.name}", partial.version.total, partial.size, unit="B")
    with bar, requests.Session() as session:
        session.max_redirects = config.redirects
        session.headers.update(
            # As it is: ranges, lengths and the sha256 are of the file, not of a compressed form.
            {"Accept-Encoding": "identity", "User-Agent": f"logo_tf/{logo_tf.__version__}"}
        )
        changed = Transfer(session, partial, config, bar).run()
    digest = disk.sha256(partial.file)
    if config.sha256 not in (None, digest):
        partial.remove()
        raise LogoError(f"{url}: has sha256 {digest}, expected {config.sha256}; nothing was kept")
    partial.settle(out)
    return Downloaded(out, partial.size, digest, changed)


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise LogoError(f"{url}: not an address that begins with http:// or https://")
    if "@" in parts.netloc:
        raise LogoError(
            f"the address of {parts.hostname} holds a login, which would be kept and printed; "
            "put it into ~/.netrc"
        )
