"""What holds of every importer that surveys raw episodes: same arrays, same refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.formats.registry import get_format, recognise
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import Dataset
from logo_tf.disk import sha256
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError

Kind = tuple[str, dict[str, bool]]
Write = Callable[[str, list[dict[str, Any]]], Path]
Toys = Callable[..., list[dict[str, Any]]]
# These keep no row after an episode's last action.
ENDLESS = ("omiga", "vault")


def bring(name: str, path: Path, out: Path, **options: Any) -> Dataset:
    return import_dataset(name, path, out, ImportOptions(**options))


def padded(arrays: list[np.ndarray]) -> np.ndarray:
    """(rows, N, widest) of N arrays (rows, width)."""
    width = max(values.shape[1] for values in arrays)
    return np.stack([np.pad(v, ((0, 0), (0, width - v.shape[1]))) for v in arrays], axis=1)


def check_same(found: Episode, toy: dict[str, Any], endless: bool) -> None:
    """Check every array of an imported episode against the toy it was written from."""
    rows = slice(0, -1) if endless else slice(None)
    np.testing.assert_array_equal(found.observations[rows], padded(toy["obs"])[rows])
    np.testing.assert_array_equal(found.state[rows], toy["state"][rows])
    np.testing.assert_array_equal(found.rewards, toy["rew"])
    if toy["legal"] is None:
        np.testing.assert_array_equal(found.actions, padded(toy["acts"]))
        assert found.legal_actions.shape[2] == 0
    else:
        np.testing.assert_array_equal(found.actions, np.stack(toy["acts"], axis=1))
        np.testing.assert_array_equal(found.legal_actions[rows], padded(toy["legal"])[rows])
    assert found.agent_mask.all()
    if endless:
        np.testing.assert_array_equal(found.observations[-1], found.observations[-2])
        np.testing.assert_array_equal(found.state[-1], found.state[-2])


def test_the_same_arrays(kind: Kind, write_toy: Write, toys: Toys, tmp_path: Path) -> None:
    name, options = kind
    episodes = toys(**options)
    path = write_toy(name, episodes)
    assert recognise(path).name == name
    dataset = bring("auto", path, tmp_path / "out")
    spec = dataset.spec
    assert spec.observation_dims == tuple(o.shape[1] for o in episodes[0]["obs"])
    assert (spec.num_agents, spec.state_dim, spec.episode_limit) == (2, 4, 6)
    assert spec.discrete == bool(options.get("discrete"))
    if spec.discrete:
        assert spec.action_dims == (4, 4)
    else:
        assert spec.action_dims == tuple(a.shape[1] for a in episodes[0]["acts"])
        assert (np.abs(spec.action_low) == spec.action_mask).all()
    for index, toy in enumerate(episodes):
        check_same(dataset.episode(index), toy, name in ENDLESS)
    assert dataset.terminated.tolist() == [True, False, False]
    check_provenance(dataset, name, path)


def check_provenance(dataset: Dataset, name: str, path: Path) -> None:
    """Check that it says who read what, byte for byte, and that no environment is recorded."""
    provenance = dataset.manifest.provenance
    assert (provenance["format"], provenance["source"]) == (name, path.name)
    top = {"minari": path / "data"}.get(name, path)
    files = [file for file in top.rglob("*") if file.is_file()] or [path]
    found = {file.relative_to(top if top.is_dir() else top.parent): sha256(file) for file in files}
    assert provenance["files"] == {place.as_posix(): digest for place, digest in found.items()}
    lines = "".join(f"{found[place]}  {place.as_posix()}\n" for place in sorted(found, key=str))
    several = hashlib.sha256(lines.encode()).hexdigest()
    assert provenance["source_sha256"] == (several if len(found) > 1 else sha256(path))
    assert provenance["environment"] == dataset.spec.environment
    assert not dataset.spec.records_environment


FAULTS: list[tuple[str, Callable[[list[dict[str, Any]]], Any], str]] = [
    ("nan", lambda e: e[1]["obs"][1].__setitem__((3, 1), np.nan), "step 3, OBS, agent 1, dim.* 1"),
    ("state", lambda e: e[1]["state"].__setitem__((2, 0), np.inf), "step 2, STATE.* not finite"),
    ("reward", lambda e: e[1]["rew"].__setitem__(4, -np.inf), "step 4, REW.*: value is not finite"),
    ("-inf", lambda e: e[1]["obs"][0].__setitem__((2, 2), -np.inf), "step 2, OBS, agent 0, .* 2"),
]
FIELDS = {
    "omar": {"OBS": "obs", "STATE": "states", "REW": "rews", "ACTS": "acs"},
    "omiga": {"OBS": "o", "STATE": "s", "REW": "r", "ACTS": "a"},
    "vault": {
        "OBS": "observations",
        "STATE": "infos.state",
        "REW": "rewards",
        "ACTS": "actions",
    },
    "minari": {
        "OBS": "observations",
        "STATE": "infos/state",
        "REW": "rewards",
        "ACTS": "actions",
    },
    "rlds": {"OBS": "observation", "STATE": "state", "REW": "reward", "ACTS": "action"},
}


@pytest.mark.parametrize(("fault", "spoil", "message"), FAULTS, ids=[f for f, _, _ in FAULTS])
def test_faults(
    kind: Kind,
    write_toy: Write,
    toys: Toys,
    tmp_path: Path,
    fault: str,
    spoil: Callable[[list[dict[str, Any]]], Any],
    message: str,
) -> None:
    """Refused with file, episode, step and field; dropped and reported where that is asked."""
    name, options = kind
    episodes = toys(**options)
    spoil(episodes)
    path = write_toy(name, episodes)
    for word, field in FIELDS[name].items():
        message = message.replace(word, field)
    with pytest.raises(LogoError, match=rf"{path.parent.name}.*: episode 1, {message}") as caught:
        bring(name, path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))
    dataset = bring(name, path, tmp_path / "out", on_error="drop-episode")
    assert dataset.num_episodes == 2
    assert dataset.manifest.provenance["dropped"] == [str(caught.value)]
    check_same(dataset.episode(1), episodes[2], name in ENDLESS)


def test_nowhere(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="nowhere"):
        get_format(kind[0]).read(tmp_path / "nowhere", ImportOptions())
    assert not get_format(kind[0]).recognises(tmp_path / "nowhere")
    assert not get_format(kind[0]).recognises(tmp_path)
