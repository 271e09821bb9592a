"""Minari datasets: those Minari itself wrote, and broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from logo_tf.data.formats.minari import Minari
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.registry import recognise
from logo_tf.errors import LogoError

FIXTURES = Path(__file__).parent / "fixtures" / "minari" / "toy"


def read(path: Path, **options: Any) -> Imported:
    return Minari().read(path, ImportOptions(**options))


@pytest.fixture
def folder(write_toy: Callable[..., Path], toys: Callable[..., Any]) -> Path:
    """The three toy episodes, with legal actions."""
    return write_toy("minari", toys(discrete=True))


def change(folder: Path, name: str, values: Any) -> None:
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values


def note(folder: Path, **changed: Any) -> None:
    file = folder / "data" / "metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


@pytest.mark.parametrize("holds", ["discrete", "continuous"])
def test_what_minari_wrote(holds: str, toys: Callable[..., Any]) -> None:
    path = FIXTURES / f"{holds}-v0"
    assert recognise(path).name == "minari"
    assert recognise(path / "data" / "main_data.hdf5").name == "minari"
    imported = read(path)
    spec = imported.spec
    assert spec.name == f"minari/toy/{holds}-v0"
    assert spec.observation_dims == (3, 2)
    if holds == "discrete":
        assert (spec.agents, spec.action_dims) == (("agent_0", "agent_1"), (4, 4))
    else:
        assert (spec.agents, spec.action_dims) == (("left", "right"), (2, 1))
        assert spec.action_low == ((-1, -1), (-1, 0))
    episodes = list(imported.episodes)
    assert [e.terminated for e in episodes] == [True, False]
    for found, toy in zip(episodes, toys(discrete=spec.discrete), strict=False):
        np.testing.assert_array_equal(found.observations[:, 1, :2], toy["obs"][1])
        np.testing.assert_array_equal(found.state, toy["state"])
        np.testing.assert_array_equal(found.rewards, toy["rew"])
        second = found.actions[:, 1] if spec.discrete else found.actions[:, 1, :1]
        np.testing.assert_array_equal(second, toy["acts"][1])
        if spec.discrete:
            np.testing.assert_array_equal(found.legal_actions[:, 1], toy["legal"][1])


def test_one_agent_without_infos(folder: Path) -> None:
    note(folder, observation_space=json.dumps({"type": "Box", "low": [0.0], "high": [1.0]}))
    note(folder, action_space=json.dumps({"type": "Discrete", "n": 5}))
    for index, length in enumerate((4, 6, 6)):
        group = f"episode_{index}"
        change(folder, f"{group}/observations", np.ones((length + 1, 2, 2)))
        change(folder, f"{group}/actions", np.ones(length, int))
        change(folder, f"{group}/infos", None)
    note(folder, env_spec=json.dumps({"id": "Toy-v3", "max_episode_steps": 50}))
    imported = read(folder)
    spec = imported.spec
    assert (spec.num_agents, spec.action_dims, spec.state_dim) == (1, (5,), 4)
    assert (spec.environment, spec.episode_limit) == ("Toy-v3", 50)
    assert next(imported.episodes).legal_actions.all()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("episode_1/terminations", np.zeros(6, bool), None),
        ("episode_1/truncations", np.zeros(6, bool), "episode 1, terminations.*has no end"),
        ("episode_1/terminations", np.eye(6)[2], "episode 1, step 2, .*ends, and goes on"),
        ("episode_1/terminations", np.full(6, 3), "episode 1, step 0, terminations: .*0 or 1"),
        ("episode_1/terminations", np.zeros(5), r"terminations: shape \(5,\), expected \(6,\)"),
        ("episode_1/rewards", np.zeros((6, 3)), r"episode 1, rewards: shape \(6, 3\), expected"),
        ("episode_1/rewards", None, "has no array 'episode_1/rewards'"),
        ("episode_1/rewards", np.float32(1), "episode_1/rewards is a single number"),
        ("episode_2/observations/left", np.zeros((7, 4)), "episode 2, observations: sizes"),
        ("episode_2/observations/left", np.zeros((6, 3)), "observations, agent 0: shape .*7 rows"),
        ("episode_2/infos/state", np.zeros((7, 4, 4)), r"state: sizes \(4, 4\) change from"),
        ("episode_2/infos/state", np.zeros((5, 4)), r"episode 2, infos/state: shape \(5, 4\)"),
        ("episode_2/infos/legal_actions/left", np.full((7, 4), 2), "step 0, infos/legal.* 0 or 1"),
        ("episode_2/actions/left", np.full(6, 4), "step 0, actions, agent 0: .*out of range"),
        ("episode_2/actions/left", np.zeros(6), "actions, agent 0|actions: agent 0 has shape"),
        ("episode_2/actions/left", [b"x"] * 6, "actions/left has dtype"),
        ("episode_2/actions/left", h5py.ExternalLink("/etc/hostname", "x"), "link to elsewhere"),
        ("episode_2/actions", h5py.ExternalLink("/etc/hostname", "x"), "link to elsewhere"),
        ("episode_2/actions", h5py.SoftLink("/episode_1/actions"), "link to elsewhere"),
        ("episode_3/rewards", np.zeros(3), "holds 4 episodes, but metadata.json says 3"),
    ],
)
def test_broken_arrays(folder: Path, name: str, values: Any, message: str | None) -> None:
    change(folder, name, values)
    if message is None:
        assert read(folder).num_episodes == 3
        return
    with pytest.raises(LogoError, match=message) as caught:
        read(folder)
    assert "\n" not in str(caught.value)


BOX = {"type": "Box", "low": [-1], "high": [1]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"minari_version": "1.0.0"}, r"minari_version '1\.0\.0', 0\.4 and 0\.5 are read"),
        ({"data_format": "arrow"}, "data_format 'arrow', only 'hdf5'"),
        ({"observation_space": "{"}, "observation_space: not readable JSON"),
        ({"observation_space": None}, "observation_space: not readable JSON"),
        ({"action_space": json.dumps(BOX)}, "observations are of left, right, actions of agent_0"),
        ({"action_space": '{"type": "Dict"}'}, "a Dict space without subspaces"),
        (
            {"action_space": '{"type": "Dict", "subspaces": {"left": 1, "right": 2}}'},
            "the space of 'left' is not one",
        ),
    ],
)
def test_broken_metadata(folder: Path, changed: dict[str, Any], message: str) -> None:
    note(folder, **changed)
    with pytest.raises(LogoError, match=message):
        read(folder)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"type": "Discrete", "n": 10**12}, "n or start 1000000000000"),
        ({"type": "Discrete", "n": 10**6}, "1000000 actions, at most 1024"),
        ({"type": "Discrete", "n": 0}, "n or start 0"),
        ({"type": "Text"}, "actions are Text; expected all Box or all Discrete"),
        ({"type": "Box", "low": [1], "high": [-1]}, "bounds contradict"),
        ({"type": "Box", "low": [[1], [1, 2]], "high": [1]}, "without readable bounds"),
    ],
)
def test_broken_spaces(folder: Path, space: dict[str, Any], message: str) -> None:
    both = {"type": "Dict", "subspaces": {"left": space, "right": space}}
    note(folder, action_space=json.dumps(both))
    with pytest.raises(LogoError, match=message):
        read(folder)


def test_bounds_of_another_width(write_toy: Any, toys: Any) -> None:
    folder = write_toy("minari", toys())
    note(
        folder, action_space=json.dumps({"type": "Dict", "subspaces": {"left": BOX, "right": BOX}})
    )
    with pytest.raises(LogoError, match=r"actions are \(2, 1\) wide, their bounds \(1, 1\)"):
        read(folder)


def test_huge_and_damaged_files(folder: Path) -> None:
    file = folder / "data" / "main_data.hdf5"
    whole = file.read_bytes()
    with h5py.File(file, "a") as opened:
        del opened["episode_0/infos/state"]
        opened.create_dataset("episode_0/infos/state", (5, 10**9), np.float32, chunks=(1, 1024))
    with pytest.raises(LogoError, match="more than 512 MiB|declares shape"):
        read(folder)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LogoError, match="not a readable HDF5 file"):
        read(folder)
