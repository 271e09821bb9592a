"""What a dataset holds more than once: states, steps, whole episodes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from logo_tf.data.rows import Column
from logo_tf.data.store import Dataset

_ROWS_AT_ONCE = 65536
# Of 10^7 different rows two share a hash of 64 bits once in 400,000 datasets.
_HASH_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Repeats, compared byte for byte.

    Attributes:
      transitions: share of transitions whose (state, joint action) came before.
      episodes: how many episodes take the same joint actions in the same states as an
        earlier one: dealt to both sides of a split, they are tested on what was learned.
      first_states: how many different states episodes begin in.
    """

    transitions: float
    episodes: int
    first_states: int


def duplicates(dataset: Dataset) -> Duplicates:
    """Count repeats over the whole dataset, in 8 bytes a transition."""
    state, actions = dataset.field("state"), dataset.field("actions")
    steps = _hashes((state, actions), dataset.transition_rows())
    episodes = np.split(steps, np.cumsum(dataset.lengths)[:-1])
    return Duplicates(
        transitions=1.0 - len(np.unique(steps)) / len(steps),
        episodes=dataset.num_episodes - len({episode.tobytes() for episode in episodes}),
        first_states=len(np.unique(_hashes((state,), dataset.first_rows))),
    )


def _hashes(columns: Sequence[Column], rows: np.ndarray) -> np.ndarray:
    """(M,) uint64, one of each row of all columns together; 0 and -0 are the same."""
    found: list[bytes] = []
    for part in np.array_split(rows, -(-len(rows) // _ROWS_AT_ONCE)):
        blocks = [np.asarray(column[part]).reshape(len(part), -1) for column in columns]
        joined = np.concatenate([(block + 0).view(np.uint8) for block in blocks], axis=1)
        found += [hashlib.blake2b(row, digest_size=_HASH_BYTES).digest() for row in joined]
    return np.frombuffer(b"".join(found), np.uint64)
