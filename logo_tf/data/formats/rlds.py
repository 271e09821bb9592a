"""RLDS datasets as TensorFlow Datasets prepares them, read with TensorFlow alone.

`<name>/<version>/` holds `features.json`, `dataset_info.json` and `*.tfrecord-*`, one
record an episode. Of its `steps`, T+1 of them, these are used:

| feature                          | a step's shape       | used                            |
|----------------------------------|----------------------|---------------------------------|
| `observation/<agent>`            | (O_i,)               | observations                    |
| `action/<agent>`                 | () or (A_i,)         | whole numbers, or vectors       |
| `reward`                         | () or (N,)           | the reward                      |
| `is_first`, `is_last`            | ()                   | 1 on the first and last step    |
| `is_terminal`                    | ()                   | 1 on the last, if it is an end  |
| `state`                          | (S,)                 | global state, if it is there    |
| `legal_actions/<agent>`          | (A_i,)               | legal actions, if there         |
| `agent_mask`                     | (N,)                 | who is alive, if there          |

Actions and rewards of the last step mean nothing and are not read. Instead of a
dictionary of agents there may be tensors with an agent axis first, (N, O_i) and (N, ...),
or those of the only agent. TensorFlow Datasets would import the classes that
`features.json` names; here nothing but shapes and dtypes is taken from it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf.data.formats.json_file import read_object
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.rlds_records import (
    FEATURES,
    Leaf,
    Record,
    count_records,
    leaves_of,
    read_records,
)
from logo_tf.data.formats.spec_note import KEY, read_note
from logo_tf.data.formats.survey import Known, Pending, survey
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

INFO = "dataset_info.json"
NOTE = f"{KEY}.json"
_FLAGS = ("is_first", "is_last", "is_terminal")


class Rlds:
    """The importer of RLDS datasets."""

    name = "rlds"

    def recognises(self, path: Path) -> bool:
        """Tell whether the folder is a prepared dataset whose examples have steps."""
        if not (path / FEATURES).is_file() or not (path / INFO).is_file():
            return False
        try:
            return bool(leaves_of(path))
        except LogoError:
            return False

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Read the features and survey every episode, of all splits in order of name.

        Raises:
          LogoError: names the folder, episode, step and field that break the format.
        """
        if not (path / FEATURES).is_file():
            raise LogoError(f"{path}: no RLDS dataset (a version's folder with {FEATURES})")
        info = read_object(path / INFO)
        if info.get("fileFormat", "tfrecord") != "tfrecord":
            raise LogoError(
                f"{path / INFO}: fileFormat {info['fileFormat']!r}, only 'tfrecord' is read; "
                "prepare the dataset again as that"
            )
        leaves = leaves_of(path)
        agents = _agents(leaves, path)
        files = sorted(file for file in path.glob("*.tfrecord*") if file.is_file())
        if not files:
            raise LogoError(f"{path}: has no *.tfrecord-* file")
        count = sum(count_records(file) for file in files)
        _check_count(info, count, path)

        def episodes() -> Iterator[Pending]:
            for index, record in enumerate(read_records(files)):
                where = f"{path}: episode {index}"
                yield Pending(where, functools.partial(_load, record, leaves, agents, where))

        note = read_note(read_object(path / NOTE), str(path / NOTE)) if _noted(path) else None
        name = str(info.get("name", path.parent.name))
        known = Known(
            name=f"rlds/{name}",
            source=f"RLDS dataset {name} {info.get('version', '')}".strip(),
            agents=agents or None,
            action_counts=note.action_dims if note and note.discrete else None,
            spec=note,
        )
        beside = [path / FEATURES, path / INFO, *([path / NOTE] if _noted(path) else [])]
        provenance = {
            "format": self.name,
            "files": {file.name: sha256(file) for file in (*files, *beside)},
        }
        return survey(episodes, count, known, options, provenance)


def _noted(path: Path) -> bool:
    return (path / NOTE).is_file()


def _agents(leaves: dict[str, Leaf], path: Path) -> tuple[str, ...]:
    """Names of the agents; none where tensors have an agent axis or there is one agent."""
    for name in (*_FLAGS, "reward"):
        if name not in leaves:
            raise LogoError(f"{path / FEATURES}: steps have no {name!r}; is it an RLDS dataset?")
    seen, acted = (
        [n.partition("/")[2] for n in leaves if n.startswith(f"{field}/")]
        for field in ("observation", "action")
    )
    if not seen and not acted and "observation" in leaves and "action" in leaves:
        return ()
    if seen != acted:
        raise LogoError(
            f"{path / FEATURES}: observations are of {', '.join(seen) or 'nobody'}, actions of "
            f"{', '.join(acted) or 'nobody'}; both must have one entry for each agent"
        )
    return tuple(seen)


def _check_count(info: dict[str, Any], count: int, path: Path) -> None:
    try:
        declared = sum(
            int(length) for split in info.get("splits", []) for length in split["shardLengths"]
        )
    except (TypeError, ValueError, KeyError):
        raise LogoError(f"{path / INFO}: its splits have no readable shardLengths") from None
    if declared != count:
        raise LogoError(f"{path}: holds {count} episodes, but {INFO} says {declared}")


def _load(
    record: bytes, leaves: dict[str, Leaf], agents: tuple[str, ...], where: str
) -> RawEpisode:
    steps = Record(record, where)
    rows = len(steps.flat("is_first"))

    def array(name: str) -> np.ndarray:
        if name not in leaves:
            raise LogoError(f"{where}, {name}: {FEATURES} has no such feature")
        return steps.array(name, leaves[name], rows)

    def each(field: str, axes: int) -> list[np.ndarray]:
        if agents:
            return [array(f"{field}/{agent}") for agent in agents]
        values = array(field)
        together = values.ndim > axes + 1
        return list(np.moveaxis(values, 1, 0)) if together else [values]

    is_first, is_last, is_terminal = (array(name) for name in _FLAGS)
    observations = each("observation", 1)
    # Without names, whether actions have an agent axis shows in the observations.
    alone = not agents and leaves["observation"].shape[1:] == ()
    actions = [array("action")] if alone else each("action", 0)
    legal = None
    if any(n == "legal_actions" or n.startswith("legal_actions/") for n in leaves):
        legal = each("legal_actions", 1)
    return RawEpisode(
        where=where,
        observations=[v.reshape(rows, -1) for v in observations],
        actions=[v[:-1] for v in actions],
        rewards=array("reward")[:-1],
        terminated=_terminated(is_first, is_last, is_terminal, where),
        state=array("state") if "state" in leaves else None,
        legal=legal,
        alive=array("agent_mask") if "agent_mask" in leaves else None,
        names={
            "observations": "observation",
            "actions": "action",
            "rewards": "reward",
            "legal": "legal_actions",
            "alive": "agent_mask",
        },
    )


def _terminated(
    is_first: np.ndarray, is_last: np.ndarray, is_terminal: np.ndarray, where: str
) -> bool:
    """Check that the episode begins and ends once; whether the scenario ended it."""
    rows = np.arange(len(is_first))
    for name, values, place in (
        ("is_first", is_first, rows == 0),
        ("is_last", is_last, rows == len(rows) - 1),
    ):
        odd = np.flatnonzero((values != 0) != place)
        if len(odd):
            step = int(odd[0])
            fault = f"is {values[step]:g}, but the episode has steps 0 to {len(rows) - 1}"
            raise LogoError(f"{where}, step {step}, {name}: value {fault}")
    odd = np.flatnonzero(is_terminal[:-1])
    if len(odd):
        raise LogoError(f"{where}, step {odd[0]}, is_terminal: the episode ends, and goes on")
    return bool(is_terminal[-1])
