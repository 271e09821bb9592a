"""Minari datasets in HDF5, of one agent or, as Dict or Tuple spaces, of several.

`<root>/<env>/<name>-vK/data/` holds `metadata.json` (spaces, version) and
`main_data.hdf5` with a group for each episode `episode_<i>` of T steps:

| array                                | shape           | used                          |
|--------------------------------------|-----------------|-------------------------------|
| `observations/<agent>`               | (T+1, O_i)      | observations                  |
| `actions/<agent>`                    | (T,), (T, A_i)  | of a Discrete or a Box space  |
| `rewards`                            | (T,) or (T, N)  | the reward                    |
| `terminations`, `truncations`        | (T,)            | one is 1 at the last step     |
| `infos/state`                        | (T+1, S)        | global state, if it is there  |
| `infos/legal_actions/<agent>`        | (T+1, A_i)      | legal actions, if there       |
| `infos/agent_mask`                   | (T+1, N)        | who is alive, if there        |

Agents are the keys of a Dict space, the places of a Tuple, or the only one. Without a
state the global state is what all agents observe.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from logo_tf.data.formats.hdf5 import field_of, group_of, opened, readable
from logo_tf.data.formats.json_file import parse_object, read_object
from logo_tf.data.formats.minari_spaces import Space, space_of
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.spec_note import KEY, read_note
from logo_tf.data.formats.survey import Known, Pending, survey
from logo_tf.data.formats.tidy import MAX_EPISODE_BYTES
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

DATA = "main_data.hdf5"
METADATA = "metadata.json"
# The layout has been the same since 0.4; the field may be a requirement ("~=0.5").
_VERSION = re.compile(r"[~=><! ]*0\.[45](\.|$)")


class Minari:
    """The importer of Minari datasets."""

    name = "minari"

    def recognises(self, path: Path) -> bool:
        """Tell whether the folder, or its `data`, holds Minari's two files."""
        folder = _folder(path)
        return (folder / DATA).is_file() and (folder / METADATA).is_file()

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Read the spaces and survey every episode.

        Args:
          path: the dataset's folder, its `data` folder, or the HDF5 file in that.
          options: what the dataset does not say.

        Raises:
          LogoError: names the file, episode, step and field that break the format.
        """
        folder = _folder(path)
        if not (folder / DATA).is_file():
            raise LogoError(f"{path}: no Minari dataset (a folder with data/{DATA})")
        file, metadata = folder / DATA, read_object(folder / METADATA)
        known, space = _known(metadata, folder / METADATA)
        with opened(file) as handle:
            count = _count(handle, file, metadata)

        def episodes() -> Iterator[Pending]:
            with opened(file) as handle:
                for index in range(count):
                    load = functools.partial(_load, handle, file, index, space)
                    yield Pending(f"{file}: episode {index}", load)

        provenance = {
            "format": self.name,
            "files": {found.name: sha256(found) for found in (file, folder / METADATA)},
        }
        return survey(episodes, count, known, options, provenance)


def _folder(path: Path) -> Path:
    if path.name == DATA:
        return path.parent
    return path / "data" if (path / "data" / DATA).is_file() else path


def _known(metadata: dict[str, Any], file: Path) -> tuple[Known, Space]:
    version = metadata.get("minari_version")
    if not isinstance(version, str) or not _VERSION.match(version):
        raise LogoError(
            f"{file}: minari_version {version!r}, 0.4 and 0.5 are read; save it with minari 0.5"
        )
    kind = metadata.get("data_format", "hdf5")
    if kind != "hdf5":
        raise LogoError(
            f"{file}: data_format {kind!r}, only 'hdf5' is read; save the dataset again as that"
        )
    observation, action = (
        parse_object(metadata.get(name), f"{file}, {name}")
        for name in ("observation_space", "action_space")
    )
    space = space_of(observation, action, str(file))
    name = str(metadata.get("dataset_id", file.parent.parent.name))
    limit = environment = None
    if metadata.get("env_spec"):
        env = parse_object(metadata["env_spec"], f"{file}, env_spec")
        found = env.get("max_episode_steps")
        limit = found if isinstance(found, int) and 0 < found < 2**31 else None
        environment = str(env["id"]) if env.get("id") else None
    note = read_note(metadata[KEY], str(file)) if KEY in metadata else None
    known = Known(
        name=f"minari/{name}",
        source=f"Minari dataset {name}",
        environment=environment,
        agents=space.agents,
        action_counts=space.counts,
        bounds=space.bounds,
        episode_limit=limit,
        spec=note,
    )
    return known, space


def _count(handle: h5py.File, file: Path, metadata: dict[str, Any]) -> int:
    with readable(file):
        count = sum(1 for key in handle if re.fullmatch(r"episode_\d+", key))
    declared = metadata.get("total_episodes", count)
    if declared != count:
        raise LogoError(f"{file}: holds {count} episodes, but {METADATA} says {declared}")
    return count


def _load(handle: h5py.File, file: Path, index: int, space: Space) -> RawEpisode:
    where, top = f"{file}: episode {index}", f"episode_{index}"
    groups: dict[str, h5py.Group] = {}
    held = 0

    def group(name: str) -> h5py.Group:
        if name not in groups:
            groups[name] = group_of(handle, file, name)
        return groups[name]

    def array(name: str) -> np.ndarray:
        nonlocal held
        above, _, key = f"{top}/{name}".rpartition("/")
        found = field_of(group(above), file, key, None, f"{above}/")
        held += math.prod(found.shape) * max(4, found.dtype.itemsize)
        if held > MAX_EPISODE_BYTES:
            raise LogoError(
                f"{where}, {name}: with shape {found.shape} the episode takes more than "
                f"{MAX_EPISODE_BYTES >> 20} MiB; split it"
            )
        with readable(file, f"{top}/{name}"):
            return np.asarray(found[()])

    def each(name: str) -> list[np.ndarray]:
        return [array(f"{name}{key}") for key in space.keys]

    with readable(file, top):
        infos = set(group(f"{top}/infos")) if "infos" in group(top) else set()
    rewards = array("rewards")
    actions = [
        values - start if start else values
        for values, start in zip(each("actions"), space.starts, strict=True)
    ]
    return RawEpisode(
        where=where,
        observations=[values.reshape(len(values), -1) for values in each("observations")],
        actions=actions,
        rewards=rewards,
        terminated=_terminated(array("terminations"), array("truncations"), len(rewards), where),
        state=array("infos/state") if "state" in infos else None,
        legal=each("infos/legal_actions") if "legal_actions" in infos else None,
        alive=array("infos/agent_mask") if "agent_mask" in infos else None,
        names={
            "state": "infos/state",
            "legal": "infos/legal_actions",
            "alive": "infos/agent_mask",
        },
    )


def _terminated(terminations: np.ndarray, truncations: np.ndarray, length: int, where: str) -> bool:
    """Check that the episode ends once, at its last step; whether the scenario ended it."""
    for name, values in (("terminations", terminations), ("truncations", truncations)):
        if values.shape != (length,):
            raise LogoError(
                f"{where}, {name}: shape {values.shape}, expected ({length},) as the rewards have"
            )
        odd = np.flatnonzero((values != 0) & (values != 1))
        if len(odd):
            raise LogoError(f"{where}, step {odd[0]}, {name}: value must be 0 or 1")
    ends = np.flatnonzero((terminations != 0) | (truncations != 0))
    if not len(ends):
        raise LogoError(f"{where}, terminations, truncations: the episode has no end")
    if ends[0] != length - 1:
        raise LogoError(
            f"{where}, step {ends[0]}, terminations, truncations: the episode ends, and goes on"
        )
    return bool(terminations[-1])
