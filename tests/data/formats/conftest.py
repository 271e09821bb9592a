"""Toy episodes, and a writer of each foreign format, so that every one can be broken alike."""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorstore

Toy = dict[str, Any]
FIXTURES = Path(__file__).parent / "fixtures"
toy: Callable[..., list[Toy]] = runpy.run_path(str(FIXTURES / "toys.py"))["toy"]


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


def write_vault(folder: Path, episodes: list[Toy]) -> Path:
    """A Vault pads with minus infinity, and tells ends from cuts."""
    path = folder / "toy.vlt" / "Good"
    path.mkdir(parents=True, exist_ok=True)
    ends = [np.arange(len(e["rew"])) == len(e["rew"]) - 1 for e in episodes]
    discrete = episodes[0]["legal"] is not None
    acts = [np.stack(e["acts"], axis=1) if discrete else inf_padded(e["acts"]) for e in episodes]
    rows = {
        "observations": [inf_padded(e["obs"])[:-1] for e in episodes],
        "actions": acts,
        "rewards": [pair(e["rew"]) for e in episodes],
        "terminals": [pair(end & e["terminated"]) for end, e in zip(ends, episodes, strict=True)],
        "truncations": [
            pair(end & (not e["terminated"])) for end, e in zip(ends, episodes, strict=True)
        ],
        "infos.state": [e["state"][:-1] for e in episodes],
    }
    if discrete:
        rows["infos.legals"] = [np.stack(e["legal"], axis=1)[:-1] for e in episodes]
    joined = {f"{name}.": np.concatenate(values)[None] for name, values in rows.items()}
    count = joined["rewards."].shape[1]
    joined["vault_index"] = np.array([count], np.int32)
    for name, values in joined.items():
        write_leaf(path, name, values, None if name == "vault_index" else 10**13)
    structure: dict[str, Any] = {n: "" for n in rows if "." not in n}
    structure["infos"] = {n.split(".")[1]: "" for n in rows if "." in n}
    (path / "metadata.json").write_text(json.dumps({"version": 1.2, "structure_shape": structure}))
    return path


def write_leaf(path: Path, name: str, values: np.ndarray, length: int | None = None) -> None:
    """One array of a Vault, declared ``length`` rows long."""
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "ocdbt", "base": f"file://{path}", "path": f"{name}/"},
        # Chunks of flashbax's own size take a second to write.
        "metadata": {
            "compressor": {"id": "gzip", "level": 5},
            "chunks": [min(size, 8) for size in values.shape],
        },
    }
    shape = values.shape if length is None else (1, length, *values.shape[2:])
    store = tensorstore.open(
        spec,
        create=True,
        delete_existing=True,
        dtype=values.dtype,
        shape=shape,
        context=tensorstore.Context({"file_io_sync": False}),
    ).result()
    place = slice(None) if length is None else (slice(None), slice(0, values.shape[1]))
    store[place].write(values).result()


def inf_padded(arrays: list[np.ndarray]) -> np.ndarray:
    """(rows, N, widest), minus infinity where an agent has nothing."""
    width = max(values.shape[1] for values in arrays)
    missing = [((0, 0), (0, width - values.shape[1])) for values in arrays]
    padded = [
        np.pad(values, pad, constant_values=-np.inf)
        for values, pad in zip(arrays, missing, strict=True)
    ]
    return np.stack(padded, axis=1)


def pair(values: np.ndarray) -> np.ndarray:
    """(rows, 2): the same for both agents."""
    return np.stack([values] * 2, axis=1)


def write_minari(folder: Path, episodes: list[Toy]) -> Path:
    """A Minari dataset of a Dict space; what it has no place for goes to `infos`."""
    path = folder / "toy" / "good-v0"
    (path / "data").mkdir(parents=True, exist_ok=True)
    discrete = episodes[0]["legal"] is not None
    with h5py.File(path / "data" / "main_data.hdf5", "w") as file:
        for index, e in enumerate(episodes):
            group = file.create_group(f"episode_{index}")
            last = np.arange(len(e["rew"])) == len(e["rew"]) - 1
            for i, name in enumerate(("left", "right")):
                group[f"observations/{name}"] = e["obs"][i]
                group[f"actions/{name}"] = e["acts"][i]
                if discrete:
                    group[f"infos/legal_actions/{name}"] = e["legal"][i]
            group["infos/state"] = e["state"]
            group["rewards"] = e["rew"]
            group["terminations"] = last & e["terminated"]
            group["truncations"] = last & (not e["terminated"])
    widths = [o.shape[1] for o in episodes[0]["obs"]]
    acts = [
        {"type": "Discrete", "n": 4, "start": 0} if discrete else box(a.shape[1])
        for a in episodes[0]["acts"]
    ]
    metadata = {
        "total_episodes": len(episodes),
        "data_format": "hdf5",
        "minari_version": "0.5.4",
        "dataset_id": "toy/good-v0",
        "observation_space": pair_of([box(width, np.inf) for width in widths]),
        "action_space": pair_of(acts),
    }
    (path / "data" / "metadata.json").write_text(json.dumps(metadata))
    return path


def box(width: int, bound: float = 1.0) -> dict[str, Any]:
    """A Box space as Minari writes it."""
    return {"type": "Box", "shape": [width], "low": [-bound] * width, "high": [bound] * width}


def pair_of(spaces: list[dict[str, Any]]) -> str:
    """A Dict space of both agents."""
    return json.dumps(
        {"type": "Dict", "subspaces": dict(zip(("left", "right"), spaces, strict=True))}
    )


# Format -> its writer, and the kinds of toys it can hold.
WRITERS: dict[str, tuple[Callable[[Path, list[Toy]], Path], tuple[dict[str, bool], ...]]] = {
    "omar": (write_omar, ({}, {"alike": True})),
    "omiga": (write_omiga, ({"alike": True},)),
    "minari": (write_minari, ({}, {"discrete": True})),
    "vault": (write_vault, ({}, {"discrete": True})),
}


@pytest.fixture
def write_toy(tmp_path: Path) -> Callable[[str, list[Toy]], Path]:
    """``write_toy("omar", episodes)``: write toy episodes in a foreign format."""
    return lambda name, episodes: WRITERS[name][0](tmp_path, copy.deepcopy(episodes))


@pytest.fixture
def vault_leaf() -> Callable[..., None]:
    """``vault_leaf(path, "rewards.", values, length)``: replace one array of a Vault."""
    return write_leaf


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
