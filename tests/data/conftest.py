"""The real file, imported once, and a small SMAC-like PyMARL file to break in many ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import Dataset, load_dataset

N, A = 2, 4  # agents, actions
LENGTHS = (3, 6, 5, 6)  # transitions; 6 is the limit


def small_file() -> dict[str, np.ndarray]:
    """Four episodes: won, cut by the limit, lost, lost at the limit.

    The state's last N*A = 8 of 12 dimensions repeat the last joint action.
    """
    rng = np.random.default_rng(0)
    arrays = {
        "state": np.zeros((4, 7, 12), np.float32),
        "obs": np.zeros((4, 7, N, 3), np.float32),
        "actions": np.zeros((4, 7, N, 1), np.int64),
        "avail_actions": np.zeros((4, 7, N, A), np.int32),
        "reward": np.zeros((4, 7, 1), np.float32),
        "terminated": np.zeros((4, 7, 1), np.uint8),
        "filled": np.zeros((4, 7, 1), np.int64),
    }
    for e, length in enumerate(LENGTHS):
        arrays["filled"][e, : length + 1] = 1
        arrays["terminated"][e, length - 1] = 1
        arrays["state"][e, : length + 1, :4] = rng.normal(size=(length + 1, 4))
        arrays["obs"][e, : length + 1] = rng.normal(size=(length + 1, N, 3))
        arrays["avail_actions"][e, : length + 1, :, 1:] = 1
        arrays["actions"][e, :length] = rng.integers(1, A, (length, N, 1))
        arrays["reward"][e, :length, 0] = 0.5
    arrays["reward"][0, LENGTHS[0] - 1] = 12.0
    for e in (2, 3):  # the second agent dies at step 2, the first in the last row
        kill(arrays, e, 1, 2)
        kill(arrays, e, 0, LENGTHS[e])
    for e, length in enumerate(LENGTHS):
        taken = np.eye(A)[arrays["actions"][e, :length, :, 0]].reshape(length, N * A)
        arrays["state"][e, 1 : length + 1, 4:] = taken
    return arrays


def kill(arrays: dict[str, np.ndarray], episode: int, agent: int, step: int) -> None:
    """Leave an agent blind and idle from a step on."""
    rows = slice(step, LENGTHS[episode] + 1)
    arrays["obs"][episode, rows, agent] = 0
    arrays["avail_actions"][episode, rows, agent] = np.arange(A) == 0
    arrays["actions"][episode, rows, agent] = 0


@pytest.fixture
def pymarl_arrays() -> dict[str, np.ndarray]:
    """What the small file holds, to be changed."""
    return small_file()


@pytest.fixture(scope="session")
def sc2_dataset(sc2_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The real SMAC 3m file as a dataset, read back from disk."""
    out = tmp_path_factory.mktemp("sc2") / "3m"
    import_dataset("auto", sc2_file, out, ImportOptions(scenario="smac/3m"))
    return load_dataset(out)


@pytest.fixture
def pymarl_file(tmp_path: Path) -> Callable[..., Path]:
    """``pymarl_file(state=..., drop="obs")``: write the small file, some arrays replaced."""

    def write(name: str = "toy.h5", drop: str = "", **changed: np.ndarray) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, values in {**small_file(), **changed}.items():
                if key != drop:
                    file.create_dataset(key, data=values, compression="gzip")
        return path

    return write
