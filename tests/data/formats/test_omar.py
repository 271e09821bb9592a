"""OMAR folders: how episodes are told apart, and files that are not what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.data.formats.omar import Omar
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.errors import LogoError


def read(path: Path, **options: Any) -> Imported:
    return Omar().read(path, ImportOptions(**options))


@pytest.fixture
def folder(write_toy: Callable[..., Path], toys: Callable[..., Any]) -> Path:
    """The three toy episodes."""
    return write_toy("omar", toys())


def test_cuts_that_no_flag_marks(folder: Path) -> None:
    """The particle environments never say that an episode was cut."""
    for i in range(2):
        file = folder / f"dones_{i}.npy"
        np.save(file, np.zeros_like(np.load(file)))
    episodes = list(read(folder).episodes)
    assert [e.length for e in episodes] == [4, 6, 6]
    assert not any(e.terminated for e in episodes)


def test_without_states_the_observations_are_the_state(folder: Path) -> None:
    for file in folder.glob("*states_*.npy"):
        file.unlink()
    imported = read(folder)
    assert imported.spec.state_dim == 5
    episode = next(imported.episodes)
    np.testing.assert_array_equal(episode.state[:, 3:], episode.observations[:, 1, :2])


def test_rewards_that_differ(folder: Path) -> None:
    file = folder / "rews_1.npy"
    rewards = np.load(file)
    np.save(file, rewards + 1)
    with pytest.raises(LogoError, match="episode 0, step 0, rews: .*--team-reward mean or sum"):
        read(folder)
    mean = next(read(folder, team_reward="mean").episodes)
    np.testing.assert_allclose(mean.rewards, rewards[:4] + 0.5, rtol=1e-5)
    total = next(read(folder, team_reward="sum").episodes)
    np.testing.assert_allclose(total.rewards, 2 * rewards[:4] + 1, rtol=1e-5)


def test_actions_beyond_one_widen_the_bounds(folder: Path) -> None:
    file = folder / "acs_0.npy"
    actions = np.load(file)
    actions[3, 1] = 2.5
    np.save(file, actions)
    assert read(folder).spec.action_high[0][1] == 2.5


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("obs_1", np.zeros((15, 2), np.float32), r"obs_1\.npy: has 15 rows, but obs_0"),
        ("acs_0", np.zeros((16, 2, 2)), r"acs_0\.npy: has shape \(16, 2, 2\), expected 2 axes"),
        ("rews_0", np.zeros((16, 3)), r"rews_0\.npy: has shape \(16, 3\), expected 1 axes"),
        ("next_obs_0", np.zeros((16, 4)), r"next_obs_0\.npy: has shape \(16, 4\), but obs_0"),
        ("dones_1", np.full(16, 2), r"dones_1\.npy: row 0: value must be 0 or 1"),
        ("obs_0", np.array([{"a": 1}] * 16), r"obs_0\.npy: not a whole .npy file \(.*objects"),
        ("acs_1", np.array(["left"] * 16), r"acs_1\.npy: has dtype <U4, expected plain numbers"),
        ("acs_1", np.zeros((16, 1), np.complex128), "dtype complex128"),
        ("obs_0", np.zeros((0, 3)), r"obs_0\.npy: "),
        ("next_states_1", np.zeros((16, 5)), r"next_states_1\.npy: has shape"),
    ],
)
def test_files_of_other_shapes(folder: Path, name: str, values: np.ndarray, message: str) -> None:
    np.save(folder / f"{name}.npy", values, allow_pickle=True)
    with pytest.raises(LogoError, match=message):
        read(folder)


def test_hostile_files(folder: Path) -> None:
    file = folder / "acs_0.npy"
    whole = file.read_bytes()
    header = np.lib.format.header_data_from_array_1_0(np.zeros((16, 2), np.float32))
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {**header, "shape": (16, 10**12)})
    for content in (file.read_bytes(), whole[:-8], whole[:20], b"", b"\x93NUMPY\x01\x00(((("):
        file.write_bytes(content)
        with pytest.raises(LogoError, match=r"acs_0\.npy: not a whole \.npy file") as caught:
            read(folder)
        assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(LogoError, match=r"acs_0\.npy: no such file"):
        read(folder)


def test_an_episode_too_long_to_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logo_tf.data.formats.flat.MAX_EPISODE_BYTES", 600)
    with pytest.raises(LogoError, match="episode 1: 6 rows take more than"):
        read(folder)


def test_blocks_and_the_order_of_axes_change_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(read(folder).episodes)
    for name in ("obs_0", "acs_1", "next_states_0"):
        values = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", np.asfortranarray(values))
    for name in ("rews_0", "dones_1"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:, None])
    monkeypatch.setattr("logo_tf.data.formats.omar._BLOCK_BYTES", 300)  # two rows
    for found, expected in zip(read(folder).episodes, whole, strict=True):
        for field in ("observations", "state", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_is_cut_short_meanwhile(folder: Path, order: str) -> None:
    file = folder / "acs_0.npy"
    np.save(file, np.asarray(np.load(file), order=order))
    imported = read(folder)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(LogoError, match=r"acs_0\.npy: rows 10 to 15 cannot .*cut short"):
        list(imported.episodes)
