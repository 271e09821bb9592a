"""Writing PyMARL's HDF5, as ``pymarl`` reads it.

Two things are added to what PyMARL itself writes, and ignored by it: an array
`truncated` (E, T, 1), 1 on the last transition of an episode that was cut, and the
scenario spec as an attribute. Without them PyMARL's files do not tell a cut from an end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from logo_tf.data.formats.spec_note import KEY
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec


def write(spec: ScenarioSpec, episodes: Iterator[Episode], count: int, folder: Path) -> None:
    """Write `part_0.h5`.

    Args:
      spec: of discrete actions, for PyMARL knows no other.
      episodes: as many as ``count`` says.
      count: E.
      folder: where to write.

    Raises:
      LogoError: continuous actions, an episode beyond the time limit, or dead agents
        that no legal action tells from live ones.
    """
    if not spec.discrete:
        raise LogoError(
            f"{spec.name}: PyMARL files hold discrete actions only; export to minari or rlds"
        )
    n, a, rows = spec.num_agents, spec.action_dim, spec.episode_limit + 1
    columns = {
        "state": ((spec.state_dim,), np.float32),
        "obs": ((n, spec.observation_dim), np.float32),
        "actions": ((n, 1), np.int64),
        "avail_actions": ((n, a), np.int32),
        "reward": ((1,), np.float32),
        "terminated": ((1,), np.uint8),
        "truncated": ((1,), np.uint8),
        "filled": ((1,), np.int64),
    }
    with h5py.File(folder / "part_0.h5", "w") as file:
        file.attrs[KEY] = json.dumps(spec.to_dict())
        for name, (shape, dtype) in columns.items():
            whole = (count, rows, *shape)
            file.create_dataset(name, whole, dtype, chunks=(1, *whole[1:]), compression="gzip")
        for index, episode in enumerate(episodes):
            _write_episode(file, index, episode, spec)


def _write_episode(file: h5py.File, index: int, episode: Episode, spec: ScenarioSpec) -> None:
    length = episode.length
    if length > spec.episode_limit:
        raise LogoError(
            f"episode {index}: {length} transitions, past the time limit of {spec.episode_limit} "
            "that PyMARL's arrays are as long as; export to minari or rlds"
        )
    if spec.noop_action is None and not episode.agent_mask.all():
        raise LogoError(
            f"episode {index}: PyMARL files have no place for dead agents, unless they are left "
            "with a no-op alone; export to minari or rlds"
        )
    ended, cut = np.zeros((2, length, 1))
    (ended if episode.terminated else cut)[-1] = 1
    for name, values in (
        ("state", episode.state),
        ("obs", episode.observations),
        ("avail_actions", episode.legal_actions),
        ("actions", episode.actions[..., None]),
        ("reward", episode.rewards[:, None]),
        # Zeros too: an array of which HDF5 stores nothing looks like one that was cut short.
        ("terminated", ended),
        ("truncated", cut),
        ("filled", np.ones((length + 1, 1))),
    ):
        file[name][index, : len(values)] = values
