"""Vaults of flashbax as OG-MARL writes them: `<name>.vlt/<quality>/`.

One zarr array a leaf inside an OCDBT store, with R rows, one a step:

| leaf            | shape                        | used                                  |
|-----------------|------------------------------|---------------------------------------|
| `observations.` | (1, R, N, O)                 | observations                          |
| `actions.`      | (1, R, N) or (1, R, N, A)    | whole numbers, or vectors             |
| `rewards.`      | (1, R, N)                    | each agent's reward                   |
| `terminals.`    | (1, R, N)                    | 1 where the scenario ended            |
| `truncations.`  | (1, R, N)                    | 1 where a time limit cut it           |
| `infos.state.`  | (1, R, S) or (1, R, N, S)    | global state, or each agent's view    |
| `infos.legals.` | (1, R, N, A)                 | legal actions, where actions are whole |

An episode ends on the row where every agent is terminal or truncated. What follows its
last action is not in the file: ``ImportOptions.last_step`` says what becomes of that
step. Columns padded with minus infinity are cut off, and the agents' widths say so.
Without a state the global state is what all agents observe.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from logo_tf.data.formats.flat import Segment, Segments, without_last_row
from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.survey import Known, Pending, survey
from logo_tf.data.formats.vault_leaves import MANIFEST, METADATA, Leaves
from logo_tf.disk import sha256
from logo_tf.errors import LogoError

_BLOCK_BYTES = 32 * 2**20


class Vault:
    """The importer of Vaults."""

    name = "vault"

    def recognises(self, path: Path) -> bool:
        """Tell whether the folder, or a folder in it, is a Vault."""
        return _is_vault(path) or bool(_qualities(path))

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Find the episodes and survey them.

        Args:
          path: the folder of one quality, or a `.vlt` folder that holds one alone.
          options: what the Vault does not say.

        Raises:
          LogoError: names the folder, episode, step and field that break the format.
        """
        path = _root(path)
        leaves = Leaves(path)
        found, uneven = _segments(leaves, path)

        def episodes() -> Iterator[Pending]:
            for segment in found:
                load = functools.partial(_load, leaves, path, segment, options)
                yield Pending(segment.named(path), load)

        name = f"{path.parent.name.removesuffix('.vlt')}-{path.name}"
        known = Known(name=f"vault/{name}", source=f"Vault {path.parent.name}/{path.name}")
        files = sorted(file for file in path.rglob("*") if file.is_file())
        provenance = {
            "format": self.name,
            "files": {file.relative_to(path).as_posix(): sha256(file) for file in files},
            "rows_where_only_some_agents_ended": uneven,
        }
        return survey(episodes, len(found), known, options, provenance)


def _is_vault(path: Path) -> bool:
    return (path / METADATA).is_file() and (path / MANIFEST).is_file()


def _qualities(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if _is_vault(p)) if path.is_dir() else []


def _root(path: Path) -> Path:
    if _is_vault(path):
        return path
    found = _qualities(path)
    if not found:
        raise LogoError(f"{path}: no Vault (a folder with {METADATA} and {MANIFEST})")
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise LogoError(f"{path}: holds several Vaults ({names}); name one: {found[0]}")
    return found[0]


def _segments(leaves: Leaves, path: Path) -> tuple[Segments, int]:
    """The episodes, and on how many rows some agents had ended while others had not."""
    ends = np.zeros(leaves.rows, bool)
    uneven = 0
    agents = leaves.shapes["terminals"][0]
    block = max(1, _BLOCK_BYTES // agents)
    for start in range(0, leaves.rows, block):
        stop = min(start + block, leaves.rows)
        over = np.zeros((stop - start, agents), bool)
        for field in ("terminals", "truncations"):
            if field in leaves:
                values = leaves.read(field, start, stop)
                odd = np.argwhere((values != 0) & (values != 1))
                if len(odd):
                    row, agent = odd[0]
                    raise LogoError(
                        f"{path}: {field}, row {start + row}, agent {agent}: value must be 0 or 1"
                    )
                over |= values != 0
        ends[start:stop] = over.all(axis=1)
        uneven += int(np.sum(over.any(axis=1) & ~over.all(axis=1)))
    return Segments(ends), uneven


def _load(leaves: Leaves, path: Path, segment: Segment, options: ImportOptions) -> RawEpisode:
    segment.require_end(path, "terminals, truncations")
    segment.require_size(path, leaves.row_bytes)
    rows = (segment.start, segment.stop)
    actions = leaves.read("actions", *rows)
    state = leaves.read("infos.state", *rows) if "infos.state" in leaves else None
    legal = None
    if "infos.legals" in leaves and actions.ndim == 2:
        legal = list(np.moveaxis(leaves.read("infos.legals", *rows), 1, 0))
    raw = RawEpisode(
        where=segment.named(path),
        observations=list(np.moveaxis(leaves.read("observations", *rows), 1, 0)),
        actions=list(np.moveaxis(actions, 1, 0)),
        rewards=leaves.read("rewards", *rows),
        terminated=bool(leaves.read("terminals", segment.stop - 1, segment.stop).any()),
        state=state,
        legal=legal,
        names={"state": "infos.state", "legal": "infos.legals"},
    )
    return without_last_row(raw, options.last_step)
