"""Rows read where they stand: numbers, slices, shards, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.artifacts import MANIFEST
from logo_tf.data import rows as reading
from logo_tf.data.rows import RowIndex
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, load_dataset, write_dataset
from logo_tf.errors import LogoError

FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")


def test_an_index_works_out_its_rows() -> None:
    index = RowIndex(np.array([10, 0, 30]), np.array([2, 3, 1]))
    assert len(index) == 6
    assert index[np.arange(6)].tolist() == [10, 11, 0, 1, 2, 30]
    assert index.begins.tolist() == [0, 2, 5]


@pytest.fixture(params=["columns", "records"])
def dataset(
    request, tmp_path: Path, tiny_dataset: Callable[..., Dataset]
) -> Callable[[str], Dataset]:
    """Twelve toy episodes, 108 rows, as columns or as records in several shards."""

    def build(kind: str) -> Dataset:
        one = tiny_dataset(kind, episodes=12)
        if request.param == "columns":
            return one
        return write_dataset(tmp_path / "d", one.spec, one.episodes(), {}, {}, shard_bytes=3000)

    return build


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_columns_are_indexed_as_arrays_are(dataset, kind: str, monkeypatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1500)  # several reads a run
    data = dataset(kind)
    rng = np.random.default_rng(0)
    some = rng.integers(0, len(data.rows), (3, 50))
    for name in FIELDS:
        column, parts = data.field(name), []
        for episode in data.episodes():
            values = getattr(episode, name)
            rest = len(episode.state) - len(values)
            parts += [values, np.zeros((rest, *values.shape[1:]), values.dtype)]
        whole = np.concatenate(parts)
        assert (len(column), column.shape, column.dtype) == (108, whole.shape, whole.dtype)
        np.testing.assert_array_equal(np.asarray(column), whole)
        for key in (some, 5, slice(7, 90, 3), np.arange(108) % 7 == 0, np.array([], np.int64)):
            np.testing.assert_array_equal(column[key], whole[key])
    column, whole = data.field("observations"), np.asarray(data.field("observations"))
    np.testing.assert_array_equal(column[some[0], 1], whole[some[0], 1])
    np.testing.assert_array_equal(column[:, 0, :2], whole[:, 0, :2])
    for odd in (-1, 108):
        with pytest.raises(IndexError, match="0 to 107"):
            column[odd]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_figures_do_not_depend_on_blocks(dataset, kind: str, monkeypatch) -> None:
    data = dataset(kind)
    returns, units = data.returns, standardisation(data, np.array([7, 2]))
    rows = np.concatenate([data.first_rows[e] + np.arange(9) for e in (2, 7)])
    state = data.field("state")[rows].astype(np.float64)
    np.testing.assert_allclose(units.state_mean, state.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(units.state_std, state.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(units.state_max, state.max(axis=0).astype(np.float32))
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1500)
    again = load_dataset(data.path)
    np.testing.assert_array_equal(again.returns, returns)
    for name, value in standardisation(again, np.array([7, 2])).to_dict().items():
        np.testing.assert_allclose(value, units.to_dict()[name], rtol=1e-6)


def test_an_episode_larger_than_a_shard_has_one_by_itself(
    tmp_path: Path, tiny_dataset: Callable[..., Dataset]
) -> None:
    one = tiny_dataset("discrete", episodes=4)
    many = write_dataset(tmp_path / "d", one.spec, one.episodes(), {}, {}, shard_bytes=1)
    files = sorted(name for name in many.manifest.files if name.startswith("shard"))
    assert files == [f"shard-0000{k}/rows.npy" for k in range(4)]
    assert many.rows.bytes >= one.rows.bytes
    for ours, theirs in zip(many.episodes(), one.episodes(), strict=True):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_shards_that_are_damaged(tmp_path: Path, tiny_dataset: Callable[..., Dataset]) -> None:
    one = tiny_dataset("continuous", episodes=6)
    path = write_dataset(tmp_path / "d", one.spec, one.episodes(), {}, {}, shard_bytes=3000).path
    first, second = (path / f"shard-0000{k}/rows.npy" for k in range(2))
    whole = first.read_bytes()
    first.write_bytes(whole[:-4])
    with pytest.raises(LogoError, match=r"rows\.npy: not a whole .npy file"):
        load_dataset(path, check="manifest")
    np.save(first, np.load(second)[:-1])
    with pytest.raises(LogoError, match=r"its shards hold \d+ rows, its episodes have 54"):
        load_dataset(path, check="manifest")
    np.save(first, np.zeros(3, [("state", np.float32)]))
    with pytest.raises(LogoError, match=r"rows\.npy: holds"):
        load_dataset(path, check="manifest")
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest["files"]["shard-00001/rows.npy"]
    (path / MANIFEST).write_text(json.dumps(manifest))
    first.write_bytes(whole)
    with pytest.raises(LogoError, match="make the dataset again"):
        load_dataset(path, check="manifest")
