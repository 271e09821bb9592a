"""Files of every format that is imported, of random numbers and about as large as is asked for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from training import SPEC, normal, random_episode

from logo_tf.data.exporting import export_dataset
from logo_tf.data.store import write_dataset
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

_LENGTH = 1000  # transitions of an episode of vectors
_DIFFERENT = 16  # episodes; further ones are these again
# PyMARL knows no vectors: SMAC 3m's sizes, episodes of up to 60 steps.
CHOICES = ScenarioSpec(
    name="smac/3m",
    environment="random numbers of its sizes",
    agents=("agent_0", "agent_1", "agent_2"),
    observation_dims=(30,) * 3,
    state_dim=48,
    action_kind="discrete",
    action_dims=(9,) * 3,
    episode_limit=60,
)


def make_file(name: str, folder: Path, size: int) -> Path:
    """Write a foreign dataset.

    Args:
      name: of the format.
      folder: where to write; made if need be.
      size: of its numbers in bytes, about.

    Returns:
      What is to be imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    spec = CHOICES if name == "pymarl" else SPEC
    if name == "pymarl":
        made = [_random_choices(rng, int(rng.integers(20, 61))) for _ in range(_DIFFERENT)]
    else:
        made = [random_episode(rng, _LENGTH) for _ in range(_DIFFERENT)]
    each = sum(np.mean([getattr(one, field).nbytes for one in made]) for field in _FIELDS)
    count = max(int(size / each), 2)
    return _MAKERS[name](folder, spec, list(itertools.islice(itertools.cycle(made), count)))


_FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")


def _random_choices(rng: np.random.Generator, t: int) -> Episode:
    spec = CHOICES
    legal = rng.random((t + 1, spec.num_agents, spec.action_dim)) < 0.5
    actions = rng.integers(0, spec.action_dim, (t, spec.num_agents), np.int32)
    np.put_along_axis(legal[:-1], actions[..., None], True, axis=-1)
    legal[-1, :, 0] = True
    return Episode(
        observations=normal(rng, (t + 1, spec.num_agents, spec.observation_dim)),
        state=normal(rng, (t + 1, spec.state_dim)),
        actions=actions,
        rewards=normal(rng, (t,)),
        legal_actions=legal,
        agent_mask=np.ones((t + 1, spec.num_agents), bool),
        terminated=t < spec.episode_limit,
    )


def _export(name: str, out: str) -> Callable[[Path, ScenarioSpec, list[Episode]], Path]:
    """A maker that goes by this package's own export."""

    def make(folder: Path, spec: ScenarioSpec, episodes: list[Episode]) -> Path:
        dataset = write_dataset(folder / "own", spec, episodes, {}, {})
        return export_dataset(name, dataset, folder / out)

    return make


def _columns(episode: Episode) -> dict[str, np.ndarray]:
    """(T, N, ...) of each field, and of what came after."""
    n = episode.actions.shape[1]
    shared = {
        "rewards": episode.rewards,
        "done": np.arange(episode.length) == episode.length - 1,
        "state": episode.state[:-1],
        "next_state": episode.state[1:],
    }
    return {
        "obs": episode.observations[:-1],
        "next_obs": episode.observations[1:],
        "actions": episode.actions,
        **{name: np.repeat(values[:, None], n, axis=1) for name, values in shared.items()},
    }


def _rows(episodes: list[Episode]) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Yield which rows of a file each episode takes, and its columns."""
    begin = 0
    for episode in episodes:
        end = begin + episode.length
        yield slice(begin, end), _columns(episode)
        begin = end


def _omar(folder: Path, spec: ScenarioSpec, episodes: list[Episode]) -> Path:
    names = {
        "obs": "obs",
        "acs": "actions",
        "rews": "rewards",
        "dones": "done",
        "next_obs": "next_obs",
        "states": "state",
        "next_states": "next_state",
    }
    count, first = sum(one.length for one in episodes), _columns(episodes[0])
    for file, name in names.items():
        for agent in range(spec.num_agents):
            values = first[name][:, agent]
            whole = np.lib.format.open_memmap(
                folder / f"{file}_{agent}.npy", "w+", np.float32, (count, *values.shape[1:])
            )
            for place, columns in _rows(episodes):
                whole[place] = columns[name][:, agent]
    return folder


def _omiga(folder: Path, spec: ScenarioSpec, episodes: list[Episode]) -> Path:
    path, count = folder / "random.hdf5", sum(one.length for one in episodes)
    names = {"s": "state", "o": "obs", "a": "actions"}
    with h5py.File(path, "w") as file:
        for name, values in _omiga_rows(episodes[0], names).items():
            file.create_dataset(name, (count, *values.shape[1:]), np.float32)
        begin = 0
        for episode in episodes:
            for name, values in _omiga_rows(episode, names).items():
                file[name][begin : begin + episode.length] = values
            begin += episode.length
    return path


def _omiga_rows(episode: Episode, names: dict[str, str]) -> dict[str, np.ndarray]:
    columns = _columns(episode)
    shared = {"r": columns["rewards"][:, :1], "d": columns["done"][:, :1]}
    return {**{key: columns[name] for key, name in names.items()}, **shared}


def _vault(folder: Path, spec: ScenarioSpec, episodes: list[Episode]) -> Path:
    """Arrays as flashbax stores them: chunks of 4 MiB in gzip, declared far too long."""
    import tensorstore

    path, count = folder / "random.vlt" / "Good", sum(one.length for one in episodes)
    path.mkdir(parents=True)
    columns = [_columns(episode) for episode in episodes]
    joined = {
        "observations": np.concatenate([one["obs"] for one in columns]),
        "actions": np.concatenate([one["actions"] for one in columns]),
        "rewards": np.concatenate([one["rewards"] for one in columns]),
        "terminals": np.zeros((count, spec.num_agents), bool),
        "truncations": np.concatenate([one["done"] for one in columns]),
        "infos.state": np.concatenate([one["state"][:, 0] for one in columns]),
    }

    def write(leaf: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
        kept = {"driver": "ocdbt", "base": f"file://{path}", "path": f"{leaf}/"}
        packed = {"compressor": {"id": "gzip", "level": 5}}
        spec: dict[str, Any] = {"driver": "zarr", "kvstore": kept, "metadata": packed}
        store = tensorstore.open(spec, create=True, dtype=values.dtype, shape=shape).result()
        store[tuple(slice(0, size) for size in values.shape)].write(values).result()

    for name, values in joined.items():
        write(f"{name}.", values[None], (1, 10**13, *values.shape[1:]))
    write("vault_index", np.array([count], np.int32), (1,))
    structure = {name: "" for name in joined if "." not in name} | {"infos": {"state": ""}}
    metadata = {"version": 1.2, "structure_shape": structure}
    (path / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return path


_MAKERS: dict[str, Callable[[Path, ScenarioSpec, list[Episode]], Path]] = {
    "minari": _export("minari", "random-v0"),
    "omar": _omar,
    "omiga": _omiga,
    "pymarl": _export("pymarl", "random"),
    "rlds": _export("rlds", "random/1.0.0"),
    "vault": _vault,
}
