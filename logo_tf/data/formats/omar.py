"""OMAR's folders of .npy files: OMAR and CFCQL on continuous control.

One folder with five files for each agent i, R rows each, one row a step:

| file              | shape           | used                                           |
|-------------------|-----------------|------------------------------------------------|
| `obs_i.npy`       | (R, O_i)        | observation                                    |
| `acs_i.npy`       | (R, A_i)        | action                                         |
| `rews_i.npy`      | (R,) or (R, 1)  | reward                                         |
| `next_obs_i.npy`  | (R, O_i)        | what the action led to                         |
| `dones_i.npy`     | (R,) or (R, 1)  | 1 where the episode ended                      |
| `states_i.npy`, `next_states_i.npy` | (R, S) | global state, where the files are there |

Without states the global state is what all agents observe. An episode ends where all
agents are done, or where the next row does not begin with what this one led to: the
particle environments never say that the time limit cut an episode. A cut is no ending;
nor is an end at the longest length, when several episodes have it: MuJoCo's time limit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from logo_tf.data.formats.flat import Segment, Segments, require_rows
from logo_tf.data.formats.npy import NpyFile
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.survey import Known, Pending, survey
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

_NEEDED = ("obs", "acs", "rews", "next_obs", "dones")
_STATES = ("states", "next_states")
# Rows of about this many bytes are compared at once when looking for the ends of episodes.
_BLOCK_BYTES = 32 * 2**20

Arrays = dict[str, list[NpyFile]]


class Omar:
    """The importer of OMAR folders."""

    name = "omar"

    def recognises(self, path: Path) -> bool:
        """Tell whether the folder holds the first agent's files."""
        return all((path / f"{field}_0.npy").is_file() for field in _NEEDED)

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Open all files, find the episodes, and survey them.

        Raises:
          LogoError: names the file, and the episode, step and field where one is bad.
        """
        if not path.is_dir():
            raise LogoError(f"{path}: not a folder; OMAR data are a folder of .npy files")
        files = sorted(path.glob("*.npy"))
        arrays = _arrays(path)
        found = Segments(_ends(arrays, path))

        def episodes() -> Iterator[Pending]:
            for segment in found:
                load = functools.partial(_load, arrays, path, segment, found.limit)
                yield Pending(segment.named(path), load)

        known = Known(name=f"omar/{path.name}", source=f"OMAR folder {path.name}")
        provenance = {
            "format": self.name,
            "files": {file.name: sha256(file) for file in files},
        }
        return survey(episodes, len(found), known, options, provenance)


def _arrays(path: Path) -> Arrays:
    """Open every agent's files and check that their shapes agree."""
    agents = 0
    while (path / f"obs_{agents}.npy").is_file():
        agents += 1
    if not agents:
        raise LogoError(f"{path}: has no obs_0.npy; is it an OMAR folder?")
    fields = list(_NEEDED)
    if (path / "states_0.npy").is_file():
        fields += _STATES
    arrays: Arrays = {
        field: [NpyFile(path / f"{field}_{i}.npy") for i in range(agents)] for field in fields
    }
    rows = arrays["obs"][0].shape[:1]
    for field, found in arrays.items():
        for agent, values in enumerate(found):
            name = f"{path / field}_{agent}.npy"
            axes = 1 if field in ("rews", "dones") else 2
            if axes == 1 and values.shape[1:] == (1,):
                values.shape = values.shape[:1]
            if len(values.shape) != axes or 0 in values.shape:
                raise LogoError(f"{name}: has shape {values.shape}, expected {axes} axes")
            if values.shape[:1] != rows:
                raise LogoError(f"{name}: has {values.shape[0]} rows, but obs_0.npy has {rows[0]}")
            if field.endswith("states") and values.shape != found[0].shape:
                raise LogoError(f"{name}: has shape {values.shape}, agent 0 {found[0].shape}")
    for field in ("obs", "states"):
        for agent, values in enumerate(arrays.get(field, [])):
            after = arrays[f"next_{field}"][agent]
            if after.shape != values.shape:
                raise LogoError(
                    f"{path}/next_{field}_{agent}.npy: has shape {after.shape}, but "
                    f"{field}_{agent}.npy has {values.shape}"
                )
    return arrays


def _ends(arrays: Arrays, path: Path) -> np.ndarray:
    """(R,) bool: all agents are done, or the next row begins elsewhere."""
    rows = arrays["obs"][0].shape[0]
    require_rows(path, rows)
    ends = np.ones(rows, bool)
    block = max(1, _BLOCK_BYTES // _row_bytes(arrays))
    for start in range(0, rows, block):
        stop = min(start + block, rows)
        for agent, file in enumerate(arrays["dones"]):
            dones = file.rows(start, stop)
            odd = np.flatnonzero((dones != 0) & (dones != 1))
            if len(odd):
                raise LogoError(
                    f"{path}/dones_{agent}.npy: row {start + odd[0]}: value must be 0 or 1"
                )
            ends[start:stop] &= dones != 0
        inner = min(stop, rows - 1)  # nothing follows the very last row
        for after, seen in zip(arrays["next_obs"], arrays["obs"], strict=True):
            broken = _differ(after.rows(start, inner), seen.rows(start + 1, inner + 1))
            ends[start:inner] |= broken.any(axis=1)
    ends[-1] = True
    return ends


def _differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Elementwise; two values that are not a number do not differ (they are refused later)."""
    return (a != b) & ~(np.isnan(a) & np.isnan(b))


def _load(arrays: Arrays, path: Path, segment: Segment, limit: int) -> RawEpisode:
    segment.require_size(path, _row_bytes(arrays))
    steps = (segment.start, segment.stop)
    last = (segment.stop - 1, segment.stop)

    def rows(field: str) -> list[np.ndarray]:
        pairs = zip(arrays[field], arrays[f"next_{field}"], strict=True)
        return [np.concatenate([file.rows(*steps), after.rows(*last)]) for file, after in pairs]

    done = all(file.rows(*last).any() for file in arrays["dones"])
    return RawEpisode(
        where=segment.named(path),
        observations=rows("obs"),
        actions=[file.rows(*steps) for file in arrays["acs"]],
        rewards=np.stack([file.rows(*steps) for file in arrays["rews"]], axis=1),
        terminated=done and segment.stop - segment.start != limit,
        state=np.stack(rows("states"), axis=1) if "states" in arrays else None,
        names={"observations": "obs", "actions": "acs", "rewards": "rews", "state": "states"},
    )


def _row_bytes(arrays: Arrays) -> int:
    return sum(file.row_bytes for field in arrays.values() for file in field)
