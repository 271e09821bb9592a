"""Reads whole datasets again: is every file what was written, and every episode sound?"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from logo_tf import artifacts
from logo_tf.data.store import KIND, Dataset, load_dataset
from logo_tf.data.validate import check_episode
from logo_tf.errors import LogoError
from logo_tf.metrics import progress

_BLOCK_BYTES = 2**20
# Bad episodes are named one by one up to here; a damaged column spoils thousands alike.
_NAMED = 5

Advance = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Verified:
    """What came of reading a dataset again.

    Attributes:
      path: its folder.
      files: how many files its manifest lists.
      episodes: how many its index has; 0 where it could not be opened.
      faults: one line each, the file or the episode named; none where all is well.
    """

    path: Path
    files: int
    episodes: int
    faults: tuple[str, ...]


def find_datasets(paths: Iterable[str | Path]) -> list[Path]:
    """Return the dataset folders among paths: each itself, or all that stand in it.

    Raises:
      LogoError: a path does not exist, is another artefact, or holds no dataset.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise LogoError(f"{path}: no such folder")
        inside = [path] if (path / artifacts.MANIFEST).is_file() else sorted(_inside(path))
        if not inside:
            raise LogoError(f"{path}: holds no dataset (no folder with {artifacts.MANIFEST})")
        found.update(dict.fromkeys(inside))
    return list(found)


def verify_dataset(path: Path) -> Verified:
    """Check a dataset's files, index, dtypes and episodes; a bar shows how far that is.

    What is found does not end the search: every broken file is named.
    """
    try:
        manifest = artifacts.load_manifest(path, KIND)
    except LogoError as error:
        return Verified(path, 0, 0, (str(error),))
    names = [name for name in manifest.files if (path / name).is_file()]
    size = sum((path / name).stat().st_size for name in names)
    bar = progress(f"verify {path.name}", 2 * size, unit="B")  # for files, then for episodes
    try:
        faults = list(_file_faults(path, manifest, names, bar.update))
        dataset: Dataset | None = None
        if len(names) == len(manifest.files):
            try:
                dataset = load_dataset(path, check="manifest")
                faults += _episode_faults(dataset, size, bar.update)
            except LogoError as error:
                faults.append(str(error))
    finally:
        bar.close()
    episodes = dataset.num_episodes if dataset else 0
    return Verified(path, len(manifest.files), episodes, tuple(faults))


def _inside(path: Path) -> Iterator[Path]:
    for file in path.rglob(artifacts.MANIFEST):
        folder = file.parent
        if not folder.name.endswith(".partial") and _kind(folder) == KIND:
            yield folder


def _kind(folder: Path) -> str:
    """A manifest that cannot be read may be a dataset's: it is to be reported, not skipped."""
    try:
        return artifacts.load_manifest(folder).kind
    except LogoError:
        return KIND


def _file_faults(
    path: Path, manifest: artifacts.Manifest, names: list[str], advance: Advance
) -> Iterator[str]:
    try:
        artifacts.check_sum(path)
    except LogoError as error:
        yield str(error)
    for name, digest in manifest.files.items():
        if name not in names:
            yield f"{path / name}: missing, though {artifacts.MANIFEST} lists it"
        elif _sha256(path / name, advance) != digest:
            yield f"{path / name}: content differs from the sha256 in {artifacts.MANIFEST}"
    known = {*manifest.files, artifacts.MANIFEST, artifacts.MANIFEST_SUM}
    for file in sorted(path.rglob("*")):
        if not file.is_dir() and file.relative_to(path).as_posix() not in known:
            yield f"{file}: is not the dataset's, {artifacts.MANIFEST} does not list it"


def _episode_faults(dataset: Dataset, size: int, advance: Advance) -> Iterator[str]:
    found, count = 0, dataset.num_episodes
    for index, episode in enumerate(dataset.episodes()):
        try:
            check_episode(episode, dataset.spec, f"{dataset.path}: episode {index}")
        except LogoError as error:
            found += 1
            if found <= _NAMED:
                yield str(error)
        advance((index + 1) * size // count - index * size // count)
    if found > _NAMED:
        yield f"{dataset.path}: {found - _NAMED} more bad episodes"


def _sha256(file: Path, advance: Advance) -> str:
    """As ``disk.sha256``, moving a bar: one file may be most of a dataset."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()
