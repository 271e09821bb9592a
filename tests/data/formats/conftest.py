"""Toy episodes, and a writer of each foreign format, so that every one can be broken alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Toy = dict[str, Any]
LENGTHS = (4, 6, 6)  # transitions; 6 is the limit


def toy(discrete: bool = False, alike: bool = False) -> list[Toy]:
    """Three episodes of two agents: one ends, two are cut at 6 steps.

    obs: 2 x (T+1, 3 or 2); acts: 2 x (T, 2 or 1), or (T,) of 4 actions; rew: (T,);
    state: (T+1, 4); legal: 2 x (T+1, 4). ``alike``: both agents are as wide as the first.
    """
    rng = np.random.default_rng(0)
    widths = ((3, 2), (3, 2)) if alike else ((3, 2), (2, 1))
    episodes = []
    for length in LENGTHS:
        legal = [rng.random((length + 1, 4)) < 0.6 for _ in widths]
        for mask in legal:
            mask[:, 1] = True
        acts: list[np.ndarray]
        if discrete:
            acts = [
                np.array([rng.choice(np.flatnonzero(row)) for row in mask[:-1]]) for mask in legal
            ]
        else:
            acts = [rng.uniform(-1, 1, (length, a)).astype(np.float32) for _, a in widths]
        episodes.append(
            {
                "obs": [rng.normal(size=(length + 1, o)).astype(np.float32) for o, _ in widths],
                "acts": acts,
                "rew": rng.normal(size=length).astype(np.float32),
                "state": rng.normal(size=(length + 1, 4)).astype(np.float32),
                "legal": legal if discrete else None,
                "terminated": length < max(LENGTHS),
            }
        )
    return episodes


def write_omar(folder: Path, episodes: list[Toy]) -> Path:
    """OMAR keeps what each action led to; `dones` marks cuts by the limit too."""
    path = folder / "omar"
    path.mkdir(exist_ok=True)

    def save(name: str, rows: list[np.ndarray]) -> None:
        np.save(path / f"{name}.npy", np.concatenate(rows))

    for i in range(len(episodes[0]["obs"])):
        save(f"obs_{i}", [e["obs"][i][:-1] for e in episodes])
        save(f"next_obs_{i}", [e["obs"][i][1:] for e in episodes])
        save(f"acs_{i}", [e["acts"][i] for e in episodes])
        save(f"rews_{i}", [e["rew"] for e in episodes])
        save(f"dones_{i}", [np.arange(len(e["rew"])) == len(e["rew"]) - 1 for e in episodes])
        save(f"states_{i}", [e["state"][:-1] for e in episodes])
        save(f"next_states_{i}", [e["state"][1:] for e in episodes])
    return path


def write_omiga(folder: Path, episodes: list[Toy]) -> Path:
    """OMIGA gives each agent its own copy of the state, and marks cuts like ends."""
    path = folder / "toy.hdf5"
    ends = [np.arange(len(e["rew"])) == len(e["rew"]) - 1 for e in episodes]
    rows = {
        "s": [np.stack([e["state"][:-1]] * 2, axis=1) for e in episodes],
        "o": [np.stack([o[:-1] for o in e["obs"]], axis=1) for e in episodes],
        "a": [np.stack(e["acts"], axis=1) for e in episodes],
        "r": [e["rew"][:, None] for e in episodes],
        "d": [end[:, None].astype(np.float32) for end in ends],
    }
    with h5py.File(path, "w") as file:
        for name, values in rows.items():
            file.create_dataset(name, data=np.concatenate(values))
    return path


# Format -> its writer, and the kinds of toys it can hold.
WRITERS: dict[str, tuple[Callable[[Path, list[Toy]], Path], tuple[dict[str, bool], ...]]] = {
    "omar": (write_omar, ({}, {"alike": True})),
    "omiga": (write_omiga, ({"alike": True},)),
}


@pytest.fixture
def write_toy(tmp_path: Path) -> Callable[[str, list[Toy]], Path]:
    """``write_toy("omar", episodes)``: write toy episodes in a foreign format."""
    return lambda name, episodes: WRITERS[name][0](tmp_path, copy.deepcopy(episodes))


@pytest.fixture
def toys() -> Callable[..., list[Toy]]:
    """``toys(discrete=False, alike=False)``: three toy episodes, to be changed."""
    return toy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that ask for a ``kind`` for every format and toy it can hold."""
    if "kind" in metafunc.fixturenames:
        cases = [(name, options) for name, (_, kinds) in WRITERS.items() for options in kinds]
        names = [f"{name}-{'-'.join(k for k, v in o.items() if v) or 'plain'}" for name, o in cases]
        metafunc.parametrize("kind", cases, ids=names)
