"""Datasets on disk: what is written is read back, and nothing damaged is."""

from __future__ import annotations

import dataclasses
import errno
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logo_tf import disk
from logo_tf.artifacts import MANIFEST, MANIFEST_SUM
from logo_tf.data import store
from logo_tf.data.columns import ColumnWriter
from logo_tf.data.store import Dataset, load_dataset, split_episodes, write_dataset
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")


def assert_same(ours: Episode, theirs: Episode) -> None:
    for field in FIELDS:
        mine, yours = getattr(ours, field), getattr(theirs, field)
        np.testing.assert_array_equal(mine, yours)
        assert mine.dtype == yours.dtype
    assert ours.terminated == theirs.terminated


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_round_trip(
    kind: str,
    lengths: list[int],
    seed: int,
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    make_episodes: Callable[..., list[Episode]],
) -> None:
    spec = continuous_spec if kind == "continuous" else discrete_spec
    made = [make_episodes(spec, 1, seed + i, length)[0] for i, length in enumerate(lengths)]
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder) / "d", spec, iter(made), {"seed": seed}, {"from": "a test"})
        dataset = load_dataset(Path(folder) / "d")
        assert dataset.spec == spec
        assert dataset.lengths.tolist() == lengths
        assert dataset.num_transitions == sum(lengths)
        for ours, theirs in zip(dataset.episodes(), made, strict=True):
            assert_same(ours, theirs)
        np.testing.assert_allclose(dataset.returns, [e.episode_return for e in made])
        assert dataset.manifest.figures["transitions"] == sum(lengths)


def test_equal_input_makes_equal_folders(
    tmp_path: Path, discrete_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    made = make_episodes(discrete_spec, 3)
    ours = write_dataset(tmp_path / "a", discrete_spec, made, {}, {})
    theirs = write_dataset(tmp_path / "b", discrete_spec, made, {}, {})
    assert ours.manifest.hash == theirs.manifest.hash


def test_rows_and_transition_rows(tiny_dataset: Callable[..., Dataset]) -> None:
    dataset = tiny_dataset("continuous", episodes=3, length=2)
    assert dataset.first_rows.tolist() == [0, 3, 6]
    assert dataset.transition_rows().tolist() == [0, 1, 3, 4, 6, 7]
    assert dataset.transition_rows(np.array([2, 0])).tolist() == [6, 7, 0, 1]
    assert dataset.field("rewards")[[2, 5, 8]].tolist() == [0, 0, 0]
    for odd in (np.array([], int), np.array([3]), np.array([-1])):
        with pytest.raises(LogoError, match="episode"):
            dataset.transition_rows(odd)
    with pytest.raises(LogoError, match="no episode 3"):
        dataset.episode(3)


def test_won_episodes(
    tmp_path: Path, discrete_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    lost, won = make_episodes(discrete_spec, 2)
    won.rewards[4] = 10.0
    dataset = write_dataset(tmp_path / "d", discrete_spec, [lost, won], {}, {})
    assert dataset.won is not None
    assert dataset.won.tolist() == [False, True]
    assert dataset.manifest.figures["won_share"] == 0.5


def test_a_bad_episode_leaves_nothing(
    tmp_path: Path, continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    made = make_episodes(continuous_spec, 3)
    made[1].state[5, 2] = np.nan
    with pytest.raises(LogoError, match=r"x\.h5: episode 1, step 5, state"):
        write_dataset(tmp_path / "d", continuous_spec, made, {}, {}, source="x.h5")
    with pytest.raises(LogoError, match="no episode to store"):
        write_dataset(tmp_path / "d", continuous_spec, [], {}, {})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_touched(
    tmp_path: Path, continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    out = tmp_path / "d"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(LogoError, match="already exists"):
        write_dataset(out, continuous_spec, make_episodes(continuous_spec, 1), {}, {})
    assert [p.name for p in tmp_path.rglob("*")] == ["d", "mine.txt"]


@pytest.mark.parametrize("when", ["append", "close", "index", "manifest"])
def test_a_full_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    continuous_spec: ScenarioSpec,
    make_episodes: Callable[..., list[Episode]],
    when: str,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = {
        "append": (ColumnWriter, "append"),
        "close": (ColumnWriter, "_header"),
        "index": (store, "write_column"),
        "manifest": (disk, "write_text"),
    }[when]
    monkeypatch.setattr(*place, full)
    with pytest.raises(LogoError, match="the disk is full"):
        write_dataset(tmp_path / "d", continuous_spec, make_episodes(continuous_spec, 2), {}, {})
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(tiny_dataset: Callable[..., Dataset]) -> None:
    path = tiny_dataset("continuous", episodes=3).path
    state = path / "shard-00000/state.npy"
    whole = state.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    state.write_bytes(bytes(flipped))
    with pytest.raises(LogoError, match=r"state\.npy: content differs"):
        load_dataset(path)
    load_dataset(path, check="manifest")
    for content, message in [
        (whole[:-4], "not a whole .npy file"),
        (b"", "not a whole .npy file"),
        (b"PK\x03\x04" + whole, "not a whole .npy file"),
    ]:
        state.write_bytes(content)
        with pytest.raises(LogoError, match=message):
            load_dataset(path, check="manifest")
    state.unlink()
    for check in ("hash", "manifest"):
        with pytest.raises(LogoError, match=r"state\.npy: missing"):
            load_dataset(path, check=check)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((27, 6), np.float32),
        np.zeros((26, 5), np.float32),
        np.zeros((27, 5), np.float64),
        np.zeros((27, 5), object),
        np.asfortranarray(np.zeros((27, 5), np.float32)),
    ],
)
def test_columns_of_another_shape_or_dtype(
    tiny_dataset: Callable[..., Dataset], values: np.ndarray
) -> None:
    path = tiny_dataset("continuous", episodes=3).path
    np.save(path / "shard-00000/state.npy", values, allow_pickle=True)
    with pytest.raises(LogoError, match=r"state\.npy: (holds|not a whole)"):
        load_dataset(path, check="manifest")


@pytest.mark.parametrize(
    "index",
    [
        [[0, 8, 0], [9, 8, 0], [17, 8, 0]],
        [[0, 26, 0], [27, 0, 0]],
        [[0, 26, 7]],
        np.zeros((0, 3)),
    ],
)
def test_an_index_that_contradicts_itself(
    tiny_dataset: Callable[..., Dataset], index: list[list[int]]
) -> None:
    path = tiny_dataset("continuous", episodes=3).path
    np.save(path / "episodes.npy", np.asarray(index, np.int64))
    with pytest.raises(LogoError, match="contradicts itself"):
        load_dataset(path, check="manifest")


def test_manifests_that_do_not_fit(tmp_path: Path, tiny_dataset: Callable[..., Dataset]) -> None:
    path = tiny_dataset("continuous", episodes=3).path
    good = json.loads((path / MANIFEST).read_text())

    def with_manifest(**changed: Any) -> Path:
        (path / MANIFEST).write_text(json.dumps({**good, **changed}))
        (path / MANIFEST_SUM).unlink(missing_ok=True)
        return path

    files = {k: v for k, v in good["files"].items() if "rewards" not in k}
    for changed, message in [
        ({"format_version": 99}, "format version 99"),
        ({"kind": "policy"}, "is a policy artefact, expected a dataset"),
        ({"files": files}, r"does not list shard-00000/rewards\.npy"),
    ]:
        with pytest.raises(LogoError, match=message):
            load_dataset(with_manifest(**changed))
    with pytest.raises(LogoError, match="no such folder"):
        load_dataset(tmp_path / "nowhere")


@settings(max_examples=30, deadline=None)
@given(count=st.integers(3, 200), seed=st.integers(0, 2**31 - 1))
def test_split_is_a_partition(count: int, seed: int) -> None:
    dataset = _Counted(count)
    split = split_episodes(dataset, seed)  # type: ignore[arg-type]
    assert sorted(np.concatenate(split).tolist()) == list(range(count))
    assert min(map(len, split)) >= 1
    assert all(np.all(np.diff(part) > 0) for part in split)
    again = split_episodes(dataset, seed)  # type: ignore[arg-type]
    for ours, theirs in zip(split, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_split_sizes_and_refusals() -> None:
    split = split_episodes(_Counted(2000), 0)  # type: ignore[arg-type]
    assert [len(part) for part in split] == [1600, 200, 200]
    other = split_episodes(_Counted(2000), 1)  # type: ignore[arg-type]
    assert not np.array_equal(split.test, other.test)
    with pytest.raises(LogoError, match="needs at least 3"):
        split_episodes(_Counted(2), 0)  # type: ignore[arg-type]
    with pytest.raises(LogoError, match="leave none"):
        split_episodes(_Counted(10), 0, validation=0.5, test=0.5)  # type: ignore[arg-type]
    with pytest.raises(LogoError, match="negative"):
        split_episodes(_Counted(10), 0, validation=-0.5)  # type: ignore[arg-type]


@dataclasses.dataclass
class _Counted:
    """All that a split looks at."""

    num_episodes: int
    path: Path = Path("toy")


def test_episodes_are_streamed(
    tmp_path: Path, continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    """The writer asks for one episode at a time and its files grow as they come."""
    seen: list[int] = []

    def stream() -> Iterator[Episode]:
        for index in range(3):
            seen.append(index)
            yield make_episodes(continuous_spec, 1, index)[0]

    assert write_dataset(tmp_path / "d", continuous_spec, stream(), {}, {}).num_episodes == 3
    assert seen == [0, 1, 2]
