"""OMIGA's HDF5 files of multi-agent MuJoCo: one row a step, no episode index.

| key | shape       | used                                             |
|-----|-------------|--------------------------------------------------|
| `s` | (R, N, S)   | global state, as each agent is given it          |
| `o` | (R, N, O)   | observations                                     |
| `a` | (R, N, A)   | actions                                          |
| `r` | (R, 1)      | shared reward                                    |
| `d` | (R, 1)      | 1 on the last row of an episode                  |

What follows an episode's last action is not in the file: ``ImportOptions.last_step``
says what becomes of that step. State dimensions on which all agents agree are kept once,
the others (an agent's own number) agent by agent. An end at the longest length, when
several episodes have it, is the time limit's, not the scenario's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from logo_tf.data.formats.flat import Segment, Segments, require_rows, without_last_row
from logo_tf.data.formats.hdf5 import field_of, opened, readable
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.survey import Known, Pending, survey
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

_AXES = {"s": "RNS", "o": "RNO", "a": "RNA", "r": "R1", "d": "R1"}


class Omiga:
    """The importer of OMIGA files."""

    name = "omiga"

    def recognises(self, path: Path) -> bool:
        """Tell whether the file is HDF5 with OMIGA's keys."""
        try:
            with opened(path) as file:
                return all(key in file for key in _AXES)
        except LogoError:
            return False

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Find the episodes and survey them.

        Raises:
          LogoError: names the file, episode, step and field that break the format.
        """
        with opened(path) as file:
            found = _segments(_fields(file, path), path)

        def episodes() -> Iterator[Pending]:
            with opened(path) as file:
                fields = _fields(file, path)
                for segment in found:
                    load = functools.partial(_load, fields, path, segment, found.limit, options)
                    yield Pending(segment.named(path), load)

        known = Known(name=f"omiga/{path.stem}", source=f"OMIGA file {path.name}")
        provenance = {"format": self.name, "files": {path.name: sha256(path)}}
        return survey(episodes, len(found), known, options, provenance)


def _fields(file: h5py.File, path: Path) -> dict[str, h5py.Dataset]:
    """Check every array's shape before any is read."""
    fields = {name: field_of(file, path, name, axes) for name, axes in _AXES.items()}
    known: dict[str, int] = {"1": 1}
    for name, axes in _AXES.items():
        for letter, size in zip(axes, fields[name].shape, strict=True):
            if known.setdefault(letter, size) != size:
                raise LogoError(
                    f"{path}: {name} has shape {fields[name].shape} for axes "
                    f"({', '.join(axes)}): {letter} is {size}, expected {known[letter]}"
                )
    return fields


def _segments(fields: dict[str, h5py.Dataset], path: Path) -> Segments:
    require_rows(path, len(fields["d"]))
    with readable(path, "d"):
        done = np.asarray(fields["d"][:, 0])
    odd = np.flatnonzero((done != 0) & (done != 1))
    if len(odd):
        raise LogoError(f"{path}: d, row {odd[0]}: value must be 0 or 1")
    return Segments(done == 1)


def _load(
    fields: dict[str, h5py.Dataset],
    path: Path,
    segment: Segment,
    limit: int,
    options: ImportOptions,
) -> RawEpisode:
    segment.require_end(path, "d")
    segment.require_size(path, sum(f.dtype.itemsize * f.size // len(f) for f in fields.values()))
    rows = slice(segment.start, segment.stop)
    with readable(path, segment.named(path)):
        state, seen, acted, rewards = (np.asarray(fields[name][rows]) for name in "soar")
    raw = RawEpisode(
        where=segment.named(path),
        observations=list(np.moveaxis(seen, 1, 0)),
        actions=list(np.moveaxis(acted, 1, 0)),
        rewards=rewards[:, 0],
        terminated=segment.stop - segment.start != limit,
        state=state,
        names={"observations": "o", "actions": "a", "rewards": "r", "state": "s"},
    )
    return without_last_row(raw, options.last_step)
