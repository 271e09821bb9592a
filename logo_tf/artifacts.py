"""Artefacts: folders that are written aside, verified, renamed, and know their parents.

An artefact is a folder with a ``manifest.json`` that names its kind and format
version, the config and spec it was made with, the sha256 of each file, and the
hashes of the artefacts it was made from; ``manifest.sha256`` beside it holds the
manifest's own (``sha256sum -c`` reads it). It appears by one rename, so it is
either whole or not there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import logo_tf
from logo_tf import disk
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

MANIFEST = "manifest.json"
MANIFEST_SUM = "manifest.sha256"
FORMAT_VERSION = 1
_NOTE = "resume.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What an artefact says of itself.

    Attributes:
      kind: what it is: ``dataset``, ``world_model``, ``policy``, ``evaluation``,
        ``export`` or ``run``.
      spec: the scenario spec, as a dict.
      config: the config that made it, as a dict.
      parents: role -> hash of each artefact it was made from.
      provenance: where it came from (environment, importer, source hash).
      figures: the numbers worth showing.
      files: relative path -> sha256 of its content.
      format_version: of the folder's layout.
      logo_tf: the version of this package that wrote it.
    """

    kind: str
    spec: dict[str, Any]
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    parents: dict[str, str] = dataclasses.field(default_factory=dict)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    logo_tf: str = logo_tf.__version__

    @property
    def hash(self) -> str:
        """sha256 of the manifest, and so of every file it lists."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def scenario(self) -> ScenarioSpec:
        """The scenario spec."""
        return ScenarioSpec.from_dict(self.spec)

    def to_json(self) -> str:
        """The canonical text: sorted keys, so that equal manifests are equal text."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"


def load_manifest(path: str | Path, kind: str | None = None) -> Manifest:
    """Read an artefact's manifest.

    Args:
      path: the artefact's folder.
      kind: the kind it must be, if only one will do.

    Raises:
      LogoError: no such folder, no manifest, not readable, of another format
        version, or of another kind.
    """
    path = Path(path)
    file = path / MANIFEST
    if not path.exists():
        raise LogoError(f"{path}: no such folder")
    if not file.is_file():
        raise LogoError(f"{path}: not a logo_tf artefact (it has no {MANIFEST})")
    return read_manifest(file, kind)


def read_manifest(file: Path, kind: str | None = None) -> Manifest:
    """Read the manifest of the folder that a file stands in.

    Raises:
      LogoError: not readable, of another format version, or of another kind.
    """
    path = file.parent
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data["format_version"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise LogoError(f"{file}: not a readable manifest: {error}") from None
    if version != FORMAT_VERSION:
        raise LogoError(
            f"{path}: format version {version}, this logo_tf reads version {FORMAT_VERSION}; "
            f"use the logo_tf that wrote it ({data.get('logo_tf')}) or make it again elsewhere"
        )
    try:
        manifest = Manifest(**data)
    except TypeError as error:
        raise LogoError(f"{file}: not a readable manifest: {error}") from None
    for field in ("spec", "config", "parents", "provenance", "figures", "files"):
        if not isinstance(getattr(manifest, field), dict):
            raise LogoError(f"{file}: not a readable manifest: {field} is not an object")
    if kind is not None and manifest.kind != kind:
        raise LogoError(f"{path}: is a {manifest.kind} artefact, expected a {kind}")
    return manifest


def verify(path: str | Path, kind: str | None = None) -> Manifest:
    """Read the manifest and check every file against its sha256.

    Raises:
      LogoError: as ``load_manifest``, or a file is missing or was changed.
    """
    manifest, gone = verify_rest(path, kind)
    if gone:
        raise LogoError(
            f"{Path(path) / gone[0]}: missing, though {MANIFEST} lists it; make it again"
        )
    return manifest


def verify_rest(path: str | Path, kind: str | None = None) -> tuple[Manifest, list[str]]:
    """As ``verify``, of an artefact whose files need not all be there.

    Returns:
      The manifest, and which of the files it lists are gone.

    Raises:
      LogoError: as ``load_manifest``, or a file that is there, or the manifest, was changed.
    """
    path = Path(path)
    manifest = load_manifest(path, kind)
    check_sum(path)
    gone = [name for name in manifest.files if not (path / name).is_file()]
    for name, digest in manifest.files.items():
        if name not in gone and disk.sha256(path / name) != digest:
            raise LogoError(
                f"{path / name}: content differs from the sha256 in {MANIFEST}; make it again"
            )
    return manifest, gone


def check_sum(path: Path) -> None:
    """Check an artefact's manifest against its own sha256.

    Older artefacts, and those of an archive, have none; they pass.

    Raises:
      LogoError: the manifest was changed.
    """
    file = path / MANIFEST_SUM
    if file.is_file() and file.read_bytes() != _sum_text(disk.sha256(path / MANIFEST)).encode():
        raise LogoError(
            f"{path / MANIFEST}: content differs from the sha256 in {MANIFEST_SUM}; make it again"
        )


def _sum_text(digest: str) -> str:
    """As the command ``sha256sum`` writes it."""
    return f"{digest}  {MANIFEST}\n"


def refill(path: str | Path, again: str | Path) -> None:
    """Put what is gone of an artefact back from one that was made again.

    The artefact is readable all the while; a killed call is finished by the same call.

    Args:
      path: the artefact of which files are gone.
      again: a whole one; it is gone afterwards.

    Raises:
      LogoError: the two are not the same. The first is left as it was, the second removed.
    """
    path, again = Path(path), Path(again)
    manifest = load_manifest(path)
    if load_manifest(again).hash != manifest.hash:
        shutil.rmtree(again)
        raise LogoError(
            f"{path}: made again, it came out otherwise than before, as on another machine or with "
            "other versions of packages it can; bring its files back, or choose another folder"
        )
    for name in manifest.files:
        if (again / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (again / name).replace(path / name)
    shutil.rmtree(again)


@contextlib.contextmanager
def writing(path: str | Path, resume: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Open the folder aside in which an artefact is made; ``publish`` ends it.

    A one-shot stage starts in an empty folder, which is removed when it fails. A
    resumable stage passes ``resume``, what makes its work reusable (config, seed,
    parents): a folder left by an interrupted call with the same value is continued,
    and one that fails is kept for the next call.

    Args:
      path: where the artefact will stand.
      resume: the fingerprint of a resumable stage, a dict that JSON can hold.

    Yields:
      The folder aside.

    Raises:
      LogoError: the artefact exists, another process is writing it, interrupted
        work of other settings lies there, or the disk refuses (full, read-only).
    """
    path = Path(path)
    aside = disk.partial(path)
    require_new(path)
    with disk.guarded(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with disk.locked(
            path.with_name(path.name + ".lock"), f"{path}: another process is writing it"
        ):
            _prepare(aside, resume)
            try:
                yield aside
            except BaseException:
                if resume is None:
                    shutil.rmtree(aside, ignore_errors=True)
                raise


def require_new(path: str | Path) -> None:
    """Check that nothing stands yet where an artefact will.

    Raises:
      LogoError: something does.
    """
    if Path(path).exists():
        raise LogoError(f"{path}: already exists; choose another folder or remove it first")


def may_resume(aside: Path, resume: Mapping[str, Any]) -> bool:
    """Whether a folder aside holds the work that a resumable stage goes on with."""
    note = aside / _NOTE
    return note.is_file() and note.read_text(encoding="utf-8") == _text(resume)


def _text(resume: Mapping[str, Any]) -> str:
    return json.dumps(resume, sort_keys=True, indent=1)


def _prepare(aside: Path, resume: Mapping[str, Any] | None) -> None:
    if resume is None:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        return
    if (aside / _NOTE).is_file():
        if not may_resume(aside, resume):
            raise LogoError(
                f"{aside}: holds interrupted work of other settings; "
                "remove it to start over, or choose another folder"
            )
        return
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    disk.write_text(aside / _NOTE, _text(resume))


def publish(path: str | Path, manifest: Manifest, scratch: tuple[str, ...] = ()) -> Manifest:
    """Complete the folder aside and rename it into place.

    Args:
      path: where the artefact will stand; ``writing(path)`` is open.
      manifest: all but ``files``, which is filled in here.
      scratch: names inside the folder that were only needed to resume.

    Returns:
      The manifest as written.
    """
    path = Path(path)
    aside = disk.partial(path)
    for name in (_NOTE, *scratch):
        target = aside / name
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    names = sorted(f.relative_to(aside).as_posix() for f in aside.rglob("*") if f.is_file())
    names = [name for name in names if name not in (MANIFEST, MANIFEST_SUM)]
    manifest = dataclasses.replace(manifest, files={n: disk.sha256(aside / n) for n in names})
    disk.write_text(aside / MANIFEST, manifest.to_json())
    disk.write_text(aside / MANIFEST_SUM, _sum_text(manifest.hash))
    disk.settle(path)
    return manifest
