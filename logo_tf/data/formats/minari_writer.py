"""Writing Minari datasets, as ``minari`` reads them, with h5py alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from logo_tf.data.formats.by_agent import actions_of, agent_keys, legal_of, observations_of
from logo_tf.data.formats.minari import DATA, METADATA
from logo_tf.data.formats.spec_note import KEY
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

_VERSION = "0.5.4"  # whose layout this is


def write(spec: ScenarioSpec, episodes: Iterator[Episode], count: int, folder: Path) -> None:
    """Write `data/main_data.hdf5` and `data/metadata.json`.

    Agents become the entries of Dict spaces; global state, legal actions and who is
    alive go to `infos`.

    Args:
      spec: of the episodes.
      episodes: as many as ``count`` says.
      count: E.
      folder: where to write; without `.partial` its name is the dataset's.
    """
    keys, data = agent_keys(spec), folder / "data"
    data.mkdir()
    steps = 0
    with h5py.File(data / DATA, "w") as file:
        for index, episode in enumerate(episodes):
            group = file.create_group(f"episode_{index}")
            group.attrs.update(id=index, total_steps=episode.length)
            _write_episode(group, episode, spec, keys)
            steps += episode.length
    metadata = {
        "total_episodes": count,
        "total_steps": steps,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": _dict_space(keys, [_box(o) for o in spec.observation_dims]),
        "action_space": _dict_space(keys, _action_spaces(spec)),
        "dataset_id": _dataset_id(folder),
        "minari_version": _VERSION,
        "dataset_size": round((data / DATA).stat().st_size / 2**20, 1),
        KEY: spec.to_dict(),
    }
    (data / METADATA).write_text(json.dumps(metadata, indent=1), encoding="utf-8")


def _write_episode(
    group: h5py.Group, episode: Episode, spec: ScenarioSpec, keys: tuple[str, ...]
) -> None:
    seen, acted = observations_of(episode, spec), actions_of(episode, spec)
    for agent, key in enumerate(keys):
        group[f"observations/{key}"] = seen[agent]
        group[f"actions/{key}"] = acted[agent]
        if spec.discrete:
            group[f"infos/legal_actions/{key}"] = legal_of(episode, spec)[agent]
    group["infos/state"] = episode.state
    group["infos/agent_mask"] = episode.agent_mask
    group["rewards"] = episode.rewards.astype(np.float64)
    last = np.arange(episode.length) == episode.length - 1
    group["terminations"] = last & episode.terminated
    group["truncations"] = last & (not episode.terminated)


def _dict_space(keys: tuple[str, ...], spaces: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "Dict", "subspaces": dict(zip(keys, spaces, strict=True))})


def _action_spaces(spec: ScenarioSpec) -> list[dict[str, Any]]:
    if spec.discrete:
        return [
            {"type": "Discrete", "dtype": "int64", "start": 0, "n": n} for n in spec.action_dims
        ]
    return [
        _box(width, low[:width], high[:width])
        for width, low, high in zip(
            spec.action_dims, spec.action_low, spec.action_high, strict=True
        )
    ]


def _box(width: int, low: tuple[float, ...] = (), high: tuple[float, ...] = ()) -> dict[str, Any]:
    return {
        "type": "Box",
        "dtype": "float32",
        "shape": [width],
        "low": list(low or [-np.inf] * width),
        "high": list(high or [np.inf] * width),
    }


def _dataset_id(folder: Path) -> str:
    name = re.sub(r"[^\w-]", "_", folder.name.removesuffix(".partial"))
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"
