"""PyMARL files: the real one to the digit, and a small one broken in every way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from logo_tf.data.formats import hdf5
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.pymarl import PyMarl
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import Dataset
from logo_tf.data.validate import check_episode
from logo_tf.errors import LogoError

Write = Callable[..., Path]
Arrays = dict[str, np.ndarray]


def read(path: Path, **options: Any) -> Imported:
    return PyMarl().read(path, ImportOptions(**options))


def consume(path: Path) -> None:
    list(read(path).episodes)


def test_the_real_file(sc2_dataset: Dataset) -> None:
    dataset = sc2_dataset
    spec = dataset.spec
    assert (spec.name, spec.num_agents, spec.observation_dim) == ("smac/3m", 3, 30)
    assert (spec.state_dim, spec.action_dim, spec.episode_limit) == (48, 9, 60)
    assert (spec.noop_action, spec.last_action_offset, spec.win_reward) == (0, 21, 10.0)
    assert (dataset.num_episodes, dataset.num_transitions) == (2000, 50_450)
    assert round(dataset.returns.mean(), 3) == 14.004
    assert round(dataset.returns.std(), 2) == 6.55
    assert round(dataset.returns.min(), 2) == 4.60
    assert round(dataset.returns.max(), 2) == 20.0
    assert dataset.won is not None
    assert dataset.won.mean() == 0.5415
    # The 47 of full length say `terminated`, but were neither won nor lost.
    assert np.sum(~dataset.terminated) == 47
    assert dataset.lengths[~dataset.terminated].tolist() == [60] * 47
    assert dataset.manifest.provenance["files"]["part_0.h5"].startswith("58944dde1518c184")


def test_what_is_inferred(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    imported = read(pymarl_file())
    spec = imported.spec
    assert spec.name == "pymarl/toy"
    assert (spec.episode_limit, spec.agents) == (6, ("agent_0", "agent_1"))
    assert (spec.noop_action, spec.last_action_offset, spec.win_reward) == (0, 4, 10.0)
    episodes = list(imported.episodes)
    assert imported.num_episodes == 4
    assert [episode.length for episode in episodes] == [3, 6, 5, 6]
    # Won; cut by the limit; lost; lost in the very last step.
    assert [episode.terminated for episode in episodes] == [True, False, True, True]
    assert episodes[2].agent_mask[:, 1].tolist() == [True] * 2 + [False] * 4
    assert episodes[2].agent_mask[:, 0].tolist() == [True] * 5 + [False]
    for index, episode in enumerate(episodes):
        check_episode(episode, spec, f"episode {index}")
    np.testing.assert_array_equal(episodes[2].observations, pymarl_arrays["obs"][2, :6])
    np.testing.assert_array_equal(episodes[2].actions, pymarl_arrays["actions"][2, :5, :, 0])
    np.testing.assert_array_equal(episodes[0].rewards, [0.5, 0.5, 12.0])


def test_options_overrule(pymarl_file: Write) -> None:
    path = pymarl_file()
    assert read(path, scenario="smac/toy").spec.name == "smac/toy"
    assert read(path, win_reward="none").spec.win_reward is None
    assert read(path, win_reward=3.5).spec.win_reward == 3.5


def test_a_winning_reward_that_is_not_ten(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    """Larger maps scale the bonus down: the middle of the gap between 0.5 and 4."""
    reward = pymarl_arrays["reward"]
    reward[0, 2] = 4.0
    assert read(pymarl_file(reward=reward)).spec.win_reward == pytest.approx(2.25)
    reward[0, 2] = 0.6
    assert read(pymarl_file(reward=reward)).spec.win_reward is None


def test_without_dead_units_nothing_is_inferred(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    seeing = pymarl_arrays["obs"] + pymarl_arrays["filled"][..., None].astype(np.float32)
    state = pymarl_arrays["state"].copy()
    state[0, 1, 4:] = 0.5
    spec = read(pymarl_file(obs=seeing, state=state)).spec
    assert (spec.noop_action, spec.last_action_offset, spec.win_reward) == (None, None, None)


def test_full_length_without_an_end_is_a_time_limit(
    pymarl_file: Write, pymarl_arrays: Arrays
) -> None:
    """PyMARL itself leaves `terminated` at 0 where the limit cut an episode."""
    terminated = pymarl_arrays["terminated"]
    terminated[1] = 0
    episodes = list(read(pymarl_file(terminated=terminated)).episodes)
    assert [episode.terminated for episode in episodes] == [True, False, True, True]


def test_blocks_do_not_change_the_episodes(
    pymarl_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pymarl_file()
    whole = list(read(path).episodes)
    monkeypatch.setattr("logo_tf.data.formats.pymarl_rows._BLOCK_BYTES", 1)
    one_by_one = read(path)
    assert one_by_one.spec == read(path).spec
    for ours, theirs in zip(one_by_one.episodes, whole, strict=True):
        np.testing.assert_array_equal(ours.observations, theirs.observations)
        np.testing.assert_array_equal(ours.actions, theirs.actions)


def test_a_folder_of_files(pymarl_file: Write) -> None:
    pymarl_file("part_0.h5")
    folder = pymarl_file("part_1.h5").parent
    imported = read(folder)
    assert imported.num_episodes == len(list(imported.episodes)) == 8
    assert sorted(imported.provenance["files"]) == ["part_0.h5", "part_1.h5"]
    wider = np.zeros((4, 7, 13), np.float32)
    pymarl_file("part_2.h5", state=wider)
    with pytest.raises(LogoError, match=r"part_2\.h5: has .*S = 13, but .*part_0\.h5 has"):
        read(folder)


# field, index, value, what the message says
FAULTS: list[tuple[str, tuple[int, ...], float, str]] = [
    ("state", (2, 3, 1), np.nan, "episode 2, step 3, state: value is not finite"),
    ("reward", (1, 2, 0), np.inf, "episode 1, step 2, reward: value is not finite"),
    ("obs", (0, 6, 1, 0), 1.0, "episode 0, step 6, obs, agent 1: value must be 0"),
    (
        "actions",
        (1, 4, 1, 0),
        4,
        "episode 1, step 4, actions, agent 1: .*out of range, there are 4",
    ),
    ("actions", (1, 4, 1, 0), -1, "episode 1, step 4, actions, agent 1: .*out of range"),
    ("avail_actions", (1, 1, 0, 2), 3, "episode 1, step 1, avail_actions, agent 0: .*0 or 1"),
    ("filled", (2, 2, 0), 0, "episode 2, step 2, filled: value breaks off"),
    ("filled", (2, 2, 0), 2, "episode 2, step 2, filled: value must be 0 or 1"),
    ("reward", (2, 5, 0), 1.0, "episode 2, step 5, reward: .*bootstrap"),
    ("terminated", (2, 4, 0), 0, "episode 2, terminated: the episode has no end"),
    ("terminated", (2, 1, 0), 1, "episode 2, terminated: the episode ends twice, at steps 1 and 4"),
]


@pytest.mark.parametrize(("field", "place", "value", "message"), FAULTS)
def test_faults(
    pymarl_file: Write,
    pymarl_arrays: Arrays,
    field: str,
    place: tuple[int, ...],
    value: float,
    message: str,
) -> None:
    values = pymarl_arrays[field]
    values[place] = value
    path = pymarl_file(**{field: values})
    with pytest.raises(LogoError, match=rf"toy\.h5: {message}") as caught:
        consume(path)
    assert "\n" not in str(caught.value)


def test_an_end_at_the_wrong_step(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    terminated = pymarl_arrays["terminated"]
    terminated[2, 4], terminated[2, 5] = 0, 1
    with pytest.raises(LogoError, match="episode 2, step 5, terminated: .*the last transition"):
        consume(pymarl_file(terminated=terminated))


def test_too_few_rows(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    filled = pymarl_arrays["filled"]
    filled[3, 1:] = 0
    with pytest.raises(LogoError, match="episode 3, filled: 1 filled rows"):
        consume(pymarl_file(filled=filled))


def test_values_that_float32_cannot_hold(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    state = pymarl_arrays["state"].astype(np.float64)
    state[1, 2, 0] = 1e300
    with pytest.raises(LogoError, match="episode 1, step 2, state: value is too large"):
        consume(pymarl_file(state=state))


def test_fractional_actions(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    actions = pymarl_arrays["actions"].astype(np.float32)
    consume(pymarl_file(actions=actions))
    actions[1, 3, 0] = 1.5
    with pytest.raises(LogoError, match="step 3, actions, agent 0: value is not a whole number"):
        consume(pymarl_file(actions=actions))


def test_a_forbidden_action_stops_the_import(
    pymarl_file: Write, pymarl_arrays: Arrays, tmp_path: Path
) -> None:
    taken = pymarl_arrays["actions"][1, 3, 0, 0]
    pymarl_arrays["avail_actions"][1, 3, 0, taken] = 0
    path = pymarl_file(avail_actions=pymarl_arrays["avail_actions"])
    with pytest.raises(LogoError, match=r"toy\.h5: episode 1, step 3, actions, agent 0: .* mask"):
        import_dataset("pymarl", path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["toy.h5"]


def test_arrays_that_do_not_fit(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    cases = [
        ({"drop": "avail_actions"}, "has no array 'avail_actions'"),
        ({"reward": pymarl_arrays["reward"][..., 0]}, "reward has shape .* expected 3 axes"),
        (
            {"reward": pymarl_arrays["reward"].repeat(2, -1)},
            "reward has shape .*: 1 is 2, expected 1",
        ),
        ({"obs": pymarl_arrays["obs"][:, :-1]}, "obs has shape .*: T is 6, expected 7"),
        ({"state": pymarl_arrays["state"][:-1]}, "E is "),
        ({"state": pymarl_arrays["state"].astype("S4")}, r"state has dtype \|S4"),
        ({"state": pymarl_arrays["state"][..., :0]}, "holds nothing"),
        ({key: values[:, :1] for key, values in pymarl_arrays.items()}, "a transition needs two"),
    ]
    for changed, message in cases:
        with pytest.raises(LogoError, match=message):
            consume(pymarl_file(**changed))


def test_objects_groups_and_links(pymarl_file: Write, pymarl_arrays: Arrays) -> None:
    def replace(make: Callable[[h5py.File], None]) -> Path:
        path = pymarl_file(drop="state")
        with h5py.File(path, "a") as file:
            make(file)
        return path

    shape = pymarl_arrays["state"].shape
    layout = h5py.VirtualLayout(shape, np.float32)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "state", shape)
    cases: list[tuple[Callable[[h5py.File], Any], str]] = [
        (lambda f: f.create_dataset("state", shape, h5py.string_dtype()), "dtype object"),
        (lambda f: f.create_group("state"), "is a group"),
        (lambda f: f.__setitem__("state", h5py.ExternalLink("/etc/passwd", "x")), "is a link"),
        (lambda f: f.__setitem__("state", h5py.SoftLink("/obs")), "is a link"),
        (lambda f: f.create_virtual_dataset("state", layout), "another file"),
        (
            lambda f: f.create_dataset("state", shape, np.float32, external="/etc/hostname"),
            "another file",
        ),
    ]
    for make, message in cases:
        with pytest.raises(LogoError, match=message):
            consume(replace(make))


def test_declared_sizes_are_checked_before_reading(
    pymarl_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pymarl_file(drop="state")
    with h5py.File(path, "a") as file:
        file.create_dataset("state", (4, 7, 10**9), np.float32, chunks=(1, 1, 1024))
    with pytest.raises(LogoError, match="more than 512 MiB to read at once"):
        consume(path)
    with h5py.File(path, "a") as file:
        del file["state"]
        file.create_dataset("state", (4, 7, 10**6), np.float32, chunks=(1, 1, 1024))
    with pytest.raises(LogoError, match="but stores only 0"):
        consume(path)
    monkeypatch.setattr(hdf5, "MAX_READ_BYTES", 100)
    with pytest.raises(LogoError, match="to read at once"):
        consume(pymarl_file())


def test_damaged_files(pymarl_file: Write, tmp_path: Path) -> None:
    whole = pymarl_file().read_bytes()
    path = tmp_path / "cut.h5"
    for content in (whole[: len(whole) // 2], whole[:4], b"", b"not HDF5 at all"):
        path.write_bytes(content)
        with pytest.raises(LogoError, match=r"cut\.h5: not a readable HDF5 file") as caught:
            consume(path)
        assert "\n" not in str(caught.value)
        assert not PyMarl().recognises(path)


def test_a_damaged_chunk(pymarl_file: Write) -> None:
    path = pymarl_file()
    with h5py.File(path) as file:
        place = file["obs"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\x07" * place.size
    path.write_bytes(bytes(content))
    with pytest.raises(LogoError, match=r"toy\.h5, obs, episodes 0 to 3: not a readable HDF5"):
        consume(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="no such file"):
        read(tmp_path / "nowhere.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogoError, match=r"holds no \.h5"):
        read(tmp_path / "empty")
