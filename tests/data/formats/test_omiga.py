"""OMIGA files: ends, the missing last row, states of each agent, and broken files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from logo_tf.data.formats.omiga import Omiga
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.errors import LogoError


def read(path: Path, **options: Any) -> Imported:
    return Omiga().read(path, ImportOptions(**options))


@pytest.fixture
def file(write_toy: Callable[..., Path], toys: Callable[..., Any]) -> Path:
    """The three toy episodes."""
    return write_toy("omiga", toys(alike=True))


def change(path: Path, name: str, values: Any) -> None:
    with h5py.File(path, "a") as opened:
        del opened[name]
        opened[name] = values


def held(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as opened:
        return np.asarray(opened[name])


def test_the_last_step_can_be_dropped(file: Path) -> None:
    repeated, dropped = (list(read(file, last_step=how).episodes) for how in ("repeat", "drop"))
    for whole, cut in zip(repeated, dropped, strict=True):
        assert cut.length == whole.length - 1
        assert not cut.terminated  # its ending step is gone
        np.testing.assert_array_equal(cut.observations, whole.observations[:-1])
        np.testing.assert_array_equal(cut.rewards, whole.rewards[:-1])


def test_states_that_differ_are_joined_without_repeats(file: Path) -> None:
    """OMIGA's environment adds each agent's one-hot number to the state."""
    state = held(file, "s")
    number = np.broadcast_to(np.eye(2, dtype=np.float32), (16, 2, 2))
    change(file, "s", np.concatenate([state, number], axis=2))
    imported = read(file)
    assert imported.spec.state_dim == 4 + 2 * 2
    episode = next(imported.episodes)
    np.testing.assert_array_equal(episode.state[:-1, :4], state[:4, 0])
    np.testing.assert_array_equal(episode.state[0, 4:], [1, 0, 0, 1])


def test_an_episode_without_an_end(file: Path) -> None:
    done = held(file, "d")
    done[-1] = 0
    change(file, "d", done)
    with pytest.raises(LogoError, match="episode 2, d: the episode has no end .rows 10 to 15"):
        read(file)
    assert len(list(read(file, on_error="drop-episode").found)) == 3
    change(file, "d", np.full_like(done, 0.5))
    with pytest.raises(LogoError, match=r"toy\.hdf5: d, row 0: value must be 0 or 1"):
        read(file)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("r", np.zeros((16, 2)), r"r has shape \(16, 2\) for axes \(R, 1\): 1 is 2"),
        ("o", np.zeros((15, 2, 3)), r"o has shape \(15, 2, 3\).*R is 15, expected 16"),
        ("a", np.zeros((16, 3, 2)), "N is 3, expected 2"),
        ("s", np.zeros((16, 4)), r"s has shape \(16, 4\), expected 3 axes"),
        ("s", np.array([[[b"x"]]]), "dtype |S1"),
        ("o", h5py.ExternalLink("/etc/hostname", "o"), "o is a link to elsewhere"),
    ],
)
def test_broken_fields(file: Path, name: str, values: Any, message: str) -> None:
    change(file, name, values)
    with pytest.raises(LogoError, match=message):
        read(file)


def test_hostile_sizes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logo_tf.data.formats.flat.MAX_EPISODE_BYTES", 400)
    with pytest.raises(LogoError, match="episode 1: 6 rows take more than"):
        read(file)
    with h5py.File(file, "a") as opened:
        del opened["s"]
        opened.create_dataset("s", (10**9, 2, 4), np.float32, chunks=(1024, 2, 4))
    with pytest.raises(LogoError, match="stores only 0; the file is cut short or hostile"):
        read(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LogoError, match="not a readable HDF5 file"):
        read(file)
    assert not Omiga().recognises(file)
