"""A dataset goes out to a foreign format and comes back the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from logo_tf.data.exporting import export_dataset
from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.formats.registry import writer_names
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")
CASES = [
    ("pymarl", "discrete", "toy"),
    ("minari", "discrete", "toy-v3"),
    ("minari", "continuous", "toy"),
    ("rlds", "discrete", "2.0.1"),
    ("rlds", "continuous", "toy"),
]


@pytest.mark.parametrize(("name", "holds", "out"), CASES)
def test_round_trip(
    name: str, holds: str, out: str, tiny_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    """Same arrays, same ends and cuts, same spec, whatever the time limit and widths."""
    dataset = tiny_dataset(holds, episodes=5)
    assert 0 < dataset.terminated.sum() < 5
    folder = export_dataset(name, dataset, tmp_path / out)
    back = import_dataset("auto", folder, tmp_path / "back")
    assert back.manifest.provenance["format"] == name
    assert back.spec == dataset.spec
    for field in FIELDS:
        np.testing.assert_array_equal(back.field(field), dataset.field(field))
        assert back.field(field).dtype == dataset.field(field).dtype
    np.testing.assert_array_equal(back.terminated, dataset.terminated)
    np.testing.assert_array_equal(back.lengths, dataset.lengths)
    renamed = import_dataset(
        name, folder, tmp_path / "renamed", ImportOptions(scenario="mine", win_reward=3.0)
    )
    assert (renamed.spec.name, renamed.spec.win_reward) == ("mine", 3.0)


def test_pymarl_stores_zeros_too(tiny_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    """An array of many episodes, none of them cut, would look as if it were cut short itself."""
    export_dataset("pymarl", tiny_dataset("discrete", episodes=5), tmp_path / "out")
    with h5py.File(tmp_path / "out" / "part_0.h5") as file:
        assert {name: found.id.get_num_chunks() for name, found in file.items()} == dict.fromkeys(
            file, 5
        )


def test_writers_are_all_tested() -> None:
    assert {name for name, _, _ in CASES} == set(writer_names())


def test_refusals(
    tiny_dataset: Callable[..., Dataset],
    make_episodes: Callable[..., list[Episode]],
    discrete_spec: ScenarioSpec,
    tmp_path: Path,
) -> None:
    continuous = tiny_dataset("continuous", episodes=3)
    with pytest.raises(LogoError, match="discrete actions only; export to minari or rlds"):
        export_dataset("pymarl", continuous, tmp_path / "out")
    with pytest.raises(LogoError, match="cannot write the format 'minary'; did you mean 'minari'"):
        export_dataset("minary", continuous, tmp_path / "out")
    short = dataclasses.replace(discrete_spec, episode_limit=5)
    dataset = write_dataset(tmp_path / "short", short, make_episodes(short, 1), {}, {})
    with pytest.raises(LogoError, match="episode 0: 8 transitions, past the time limit of 5"):
        export_dataset("pymarl", dataset, tmp_path / "out")
    mute = dataclasses.replace(discrete_spec, noop_action=None)
    dataset = write_dataset(tmp_path / "mute", mute, make_episodes(mute, 1), {}, {})
    with pytest.raises(LogoError, match="episode 0: PyMARL files have no place for dead agents"):
        export_dataset("pymarl", dataset, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
    (tmp_path / "out").mkdir()
    with pytest.raises(LogoError, match="already exists"):
        export_dataset("minari", continuous, tmp_path / "out")


def test_agents_whose_names_are_no_keys(
    make_episodes: Callable[..., list[Episode]], continuous_spec: ScenarioSpec, tmp_path: Path
) -> None:
    spec = dataclasses.replace(continuous_spec, agents=("leg/1", "leg.1"))
    dataset = write_dataset(tmp_path / "data", spec, make_episodes(spec, 2), {}, {})
    for name in ("minari", "rlds"):
        folder = export_dataset(name, dataset, tmp_path / name)
        assert import_dataset(name, folder, tmp_path / f"{name}-back").spec == spec


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state_dim": 7}, "state_dim is 7 against 6|S = 7, but its arrays 6"),
        ({"agents": ["a"]}, "3|observation_dims"),
        ({"state_dim": "six"}, "state_dim is 'six'"),
        ({"observation_dims": [10**12] * 3}, "1000000000000"),
        ({"win_reward": float("nan")}, "win_reward is 'nan'"),
        ({"new": 1}, "unknown fields: new"),
        ({"action_kind": "both"}, "action_kind is 'both'"),
    ],
)
def test_a_spec_that_lies(
    changed: dict[str, Any], message: str, tiny_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    """What an export says of itself is checked as the rest is."""
    dataset = tiny_dataset("discrete", episodes=3)
    note = {**dataset.spec.to_dict(), **changed}
    pymarl = export_dataset("pymarl", dataset, tmp_path / "pymarl")
    with h5py.File(pymarl / "part_0.h5", "a") as file:
        file.attrs["logo_tf_spec"] = json.dumps(note)
    minari = export_dataset("minari", dataset, tmp_path / "toy-v0")
    metadata = minari / "data" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "logo_tf_spec": note}))
    for folder in (pymarl, minari):
        with pytest.raises(LogoError, match=message):
            import_dataset("auto", folder, tmp_path / "back")
