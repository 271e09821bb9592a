"""Datasets read again: every fault that a file or an episode can have is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.artifacts import MANIFEST, MANIFEST_SUM
from logo_tf.data.store import Dataset, load_dataset
from logo_tf.data.verifying import find_datasets, verify_dataset
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

Tiny = Callable[..., Dataset]


def flip(file: Path, place: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_a_whole_one(tiny_dataset: Tiny) -> None:
    dataset = tiny_dataset("discrete", episodes=3)
    found = verify_dataset(dataset.path)
    assert (found.files, found.episodes, found.faults) == (7, 3, ())


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_flipped_byte_of_any_file_is_refused_and_named(tiny_dataset: Tiny, kind: str) -> None:
    dataset = tiny_dataset(kind, episodes=3)
    names = sorted(dataset.manifest.files)
    assert len(names) == 7
    for name in names:
        file = dataset.path / name
        whole = file.read_bytes()
        for place in (7, len(whole) // 2, len(whole) - 1):  # of the header, too
            flip(file, place)
            with pytest.raises(LogoError, match=f"{name}: content differs"):
                load_dataset(dataset.path)
            assert f"{file}: content differs" in verify_dataset(dataset.path).faults[0]
            file.write_bytes(whole)
    load_dataset(dataset.path)


@pytest.mark.parametrize("word", [b'"return_mean": ', b'"win_reward": 1', b"toy/discret"])
def test_a_flipped_byte_of_the_manifest_is_refused(tiny_dataset: Tiny, word: bytes) -> None:
    """One that leaves it readable JSON."""
    path = tiny_dataset("discrete", episodes=3).path
    content = (path / MANIFEST).read_bytes()
    flip(path / MANIFEST, content.index(word) + len(word))
    with pytest.raises(LogoError, match=r"manifest\.json: content differs .* manifest\.sha256"):
        load_dataset(path)
    (fault,) = verify_dataset(path).faults
    assert "manifest.json: content differs" in fault
    (path / MANIFEST).write_bytes(content)
    flip(path / MANIFEST_SUM)
    with pytest.raises(LogoError, match=r"manifest\.json: content differs"):
        load_dataset(path)
    (path / MANIFEST_SUM).unlink()  # datasets of earlier versions have none
    load_dataset(path)


def test_every_fault_is_named(tiny_dataset: Tiny) -> None:
    path = tiny_dataset("continuous", episodes=3).path
    (path / "notes.txt").write_text("mine")
    flip(path / "shard-00000/state.npy")
    (path / "shard-00000/rewards.npy").unlink()
    found = verify_dataset(path)
    assert found.faults == (
        f"{path}/shard-00000/rewards.npy: missing, though manifest.json lists it",
        f"{path}/shard-00000/state.npy: content differs from the sha256 in manifest.json",
        f"{path}/notes.txt: is not the dataset's, manifest.json does not list it",
    )


def resealed(path: Path, name: str, values: np.ndarray) -> None:
    """Replace a file, and the manifest's sha256 of it, as whoever breaks rules might."""
    np.save(path / name, values)
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"][name] = sha256(path / name)
    (path / MANIFEST).write_text(json.dumps(manifest))
    (path / MANIFEST_SUM).unlink(missing_ok=True)


def test_episodes_index_and_dtypes_are_checked_again(tiny_dataset: Tiny) -> None:
    path = tiny_dataset("continuous", episodes=9).path
    state = np.load(path / "shard-00000/state.npy")
    spoilt = state.copy()
    spoilt[9 * np.arange(1, 9) + 2] = np.nan
    resealed(path, "shard-00000/state.npy", spoilt)
    load_dataset(path)  # which trusts what its maker signed
    found = verify_dataset(path)
    first = f"{path}: episode 1, step 2, state, dimension 0: value nan is not finite"
    assert found.faults[0] == first
    assert found.faults[5:] == (f"{path}: 3 more bad episodes",)
    resealed(path, "shard-00000/state.npy", state.astype(np.float64))
    (fault,) = verify_dataset(path).faults
    assert "state.npy: holds float64" in fault
    resealed(path, "shard-00000/state.npy", state)
    index = np.load(path / "episodes.npy")
    index[1, 0] += 1
    resealed(path, "episodes.npy", index)
    (fault,) = verify_dataset(path).faults
    assert "episodes.npy: the episode index contradicts itself" in fault


def test_datasets_are_found_in_folders(tiny_dataset: Tiny, tmp_path: Path) -> None:
    one, two = (tiny_dataset(kind, episodes=3).path for kind in ("continuous", "discrete"))
    shutil.copytree(one, tmp_path / "deep" / "er.partial")
    assert find_datasets([tmp_path]) == [one, two]
    assert find_datasets([two, tmp_path]) == [two, one]
    with pytest.raises(LogoError, match="deep: holds no dataset"):
        find_datasets([tmp_path / "deep"])
    with pytest.raises(LogoError, match="nowhere: no such folder"):
        find_datasets([tmp_path / "nowhere"])


def test_manifests_that_are_none(tiny_dataset: Tiny, tmp_path: Path) -> None:
    path = tiny_dataset("discrete", episodes=3).path
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, "kind": "policy"}))
    assert "is a policy artefact, expected a dataset" in verify_dataset(path).faults[0]
    with pytest.raises(LogoError, match="holds no dataset"):
        find_datasets([tmp_path])
    (path / MANIFEST).write_text("{")
    assert find_datasets([tmp_path]) == [path]
    assert "not a readable manifest" in verify_dataset(path).faults[0]
