"""Files of every format that is imported, of random numbers and about as large as is asked for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np
from random_episodes import CHOICES, VECTORS, random_episode

from logo_tf.data.exporting import export_dataset
from logo_tf.data.store import write_dataset
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

_DIFFERENT = 16  # episodes; further ones are these again
_FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")


def make_file(name: str, folder: Path, size: int) -> Path:
    """Write a foreign dataset.

    Args:
      name: of the format. PyMARL's has choices, for it knows no vectors; the others vectors.
      folder: where to write; made if need be.
      size: bytes of its numbers as they are imported, about.

    Returns:
      What is to be imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    spec = CHOICES if name == "pymarl" else VECTORS
    limit = spec.episode_limit
    lengths = rng.integers(limit // 3, limit + 1, _DIFFERENT)
    made = [random_episode(spec, rng, int(length)) for length in lengths]
    each = np.mean([sum(getattr(one, field).nbytes for field in _FIELDS) for one in made])
    count = max(int(size / each), 2)
    return _MAKERS[name](folder, spec, itertools.islice(itertools.cycle(made), count))


Maker = Callable[[Path, ScenarioSpec, Iterable[Episode]], Path]


def _exported(name: str, out: str) -> Maker:
    """A maker that goes by this package's own export."""

    def make(folder: Path, spec: ScenarioSpec, episodes: Iterable[Episode]) -> Path:
        dataset = write_dataset(folder / "own", spec, episodes, {}, {})
        return export_dataset(name, dataset, folder / out)

    return make


class _Columns:
    """Fields of all steps, one row a step and without episodes: (R, N, ...) each."""

    def __init__(self, episodes: Iterable[Episode]) -> None:
        self._episodes = list(episodes)

    def seen(self, field: str, after: bool = False) -> np.ndarray:
        """What each agent saw before its action, or after it; the state is that of all."""
        rows = slice(1, None) if after else slice(None, -1)
        joined = np.concatenate([getattr(one, field)[rows] for one in self._episodes])
        return self._each(joined) if field == "state" else joined

    def done(self, field: str) -> np.ndarray:
        """Actions, or each agent's reward."""
        joined = np.concatenate([getattr(one, field) for one in self._episodes])
        return self._each(joined) if field == "rewards" else joined

    def ends(self) -> np.ndarray:
        """(R, N) float32, 1 on the last row of an episode."""
        lengths = np.array([one.length for one in self._episodes])
        ends = np.zeros(lengths.sum(), np.float32)
        ends[np.cumsum(lengths) - 1] = 1
        return self._each(ends)

    def _each(self, values: np.ndarray) -> np.ndarray:
        agents = self._episodes[0].actions.shape[1]
        return np.repeat(values[:, None], agents, axis=1)


def _omar(folder: Path, spec: ScenarioSpec, episodes: Iterable[Episode]) -> Path:
    columns = _Columns(episodes)
    for name, values in (
        ("obs", columns.seen("observations")),
        ("next_obs", columns.seen("observations", after=True)),
        ("states", columns.seen("state")),
        ("next_states", columns.seen("state", after=True)),
        ("acs", columns.done("actions")),
        ("rews", columns.done("rewards")),
        ("dones", columns.ends()),
    ):
        for agent in range(spec.num_agents):
            np.save(folder / f"{name}_{agent}.npy", values[:, agent])
    return folder


def _omiga(folder: Path, spec: ScenarioSpec, episodes: Iterable[Episode]) -> Path:
    columns, path = _Columns(episodes), folder / "random.hdf5"
    with h5py.File(path, "w") as file:
        file["s"] = columns.seen("state")
        file["o"] = columns.seen("observations")
        file["a"] = columns.done("actions")
        file["r"] = columns.done("rewards")[:, :1]
        file["d"] = columns.ends()[:, :1]
    return path


def _vault(folder: Path, spec: ScenarioSpec, episodes: Iterable[Episode]) -> Path:
    """Arrays as flashbax stores them: chunks of 4 MiB in gzip, declared far too long."""
    import tensorstore

    columns, path = _Columns(episodes), folder / "random.vlt" / "Good"
    path.mkdir(parents=True)
    ends = columns.ends() == 1
    leaves = {
        "observations": columns.seen("observations"),
        "actions": columns.done("actions"),
        "rewards": columns.done("rewards"),
        "terminals": np.zeros_like(ends),
        "truncations": ends,
        "infos.state": columns.seen("state")[:, 0],
    }

    def write(leaf: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
        store = tensorstore.open(
            {
                "driver": "zarr",
                "kvstore": {"driver": "ocdbt", "base": f"file://{path}", "path": f"{leaf}/"},
                "metadata": {"compressor": {"id": "gzip", "level": 5}},
            },
            create=True,
            dtype=values.dtype,
            shape=shape,
        ).result()
        store[tuple(slice(0, size) for size in values.shape)].write(values).result()

    for name, values in leaves.items():
        write(f"{name}.", values[None], (1, 10**13, *values.shape[1:]))
    write("vault_index", np.array([len(ends)], np.int32), (1,))
    structure = {name: "" for name in leaves if "." not in name} | {"infos": {"state": ""}}
    metadata = {"version": 1.2, "structure_shape": structure}
    (path / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return path


_MAKERS: dict[str, Maker] = {
    "minari": _exported("minari", "random-v0"),
    "omar": _omar,
    "omiga": _omiga,
    "pymarl": _exported("pymarl", "random"),
    "rlds": _exported("rlds", "random/1.0.0"),
    "vault": _vault,
}
