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
import tensorflow as tf
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


def write_rlds(folder: Path, episodes: list[Toy]) -> Path:
    """An RLDS dataset as TensorFlow Datasets prepares it, with a dictionary of agents."""
    path = folder / "toy" / "1.0.0"
    path.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path / "toy-train.tfrecord-00000-of-00001")) as writer:
        for e in episodes:
            writer.write(record(rlds_steps(e)))
    first = rlds_steps(episodes[0])
    features: dict[str, Any] = {}
    for name, values in first.items():
        place = features
        *above, last = name.split("/")
        for part in above:
            place = place.setdefault(part, {"featuresDict": {"features": {}}})
            place = place["featuresDict"]["features"]
        shape = {"dimensions": [str(size) for size in values.shape[1:]]}
        place[last] = {"tensor": {"dtype": values.dtype.name, "shape": shape, "encoding": "none"}}
    steps = {"sequence": {"feature": {"featuresDict": {"features": features}}, "length": "-1"}}
    (path / "features.json").write_text(
        json.dumps({"featuresDict": {"features": {"steps": steps}}})
    )
    splits = [{"name": "train", "shardLengths": [str(len(episodes))]}]
    info = {"fileFormat": "tfrecord", "name": "toy", "splits": splits, "version": "1.0.0"}
    (path / "dataset_info.json").write_text(json.dumps(info))
    return path


def rlds_steps(e: Toy) -> dict[str, np.ndarray]:
    """T+1 steps; what the last one has of actions and rewards means nothing."""
    length = len(e["rew"])
    place = np.arange(length + 1)
    steps = {
        "reward": np.append(e["rew"], np.float32(7)),
        "is_first": place == 0,
        "is_last": place == length,
        "is_terminal": (place == length) & e["terminated"],
        "state": e["state"],
    }
    for i, name in enumerate(("left", "right")):
        steps[f"observation/{name}"] = e["obs"][i]
        steps[f"action/{name}"] = np.concatenate([e["acts"][i], e["acts"][i][:1]])
        if e["legal"] is not None:
            steps[f"legal_actions/{name}"] = e["legal"][i]
    return steps


def record(steps: dict[str, np.ndarray]) -> bytes:
    """One episode as a `tf.train.Example`."""
    features = {}
    for name, values in steps.items():
        flat = (values if values.dtype.kind == "f" else values.astype(int)).reshape(-1)
        features[f"steps/{name}"] = (
            tf.train.Feature(float_list=tf.train.FloatList(value=flat))
            if values.dtype.kind == "f"
            else tf.train.Feature(int64_list=tf.train.Int64List(value=flat))
        )
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


# Format -> its writer, and the kinds of toys it can hold.
WRITERS: dict[str, tuple[Callable[[Path, list[Toy]], Path], tuple[dict[str, bool], ...]]] = {
    "omar": (write_omar, ({}, {"alike": True})),
    "omiga": (write_omiga, ({"alike": True},)),
    "minari": (write_minari, ({}, {"discrete": True})),
    "rlds": (write_rlds, ({}, {"discrete": True})),
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
def rlds_record() -> tuple[Callable[..., dict[str, np.ndarray]], Callable[..., bytes]]:
    """The steps of a toy episode, and a record of such steps."""
    return rlds_steps, record


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
