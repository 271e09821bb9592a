"""What a dataset holds more than once: states, steps, whole episodes."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from logo_tf.data.distinct import Distinct, row_hashes
from logo_tf.data.steps import Steps

_HASH_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Repeats, compared byte for byte.

    Up to 2,097,152 different transitions, episodes and first states are counted. Of more,
    their number is estimated with a standard error of 0.07 % (see ``Distinct``).

    Attributes:
      transitions: share of transitions whose (state, joint action) came before.
      episodes: how many episodes take the same joint actions in the same states as an
        earlier one: dealt to both sides of a split, they are tested on what was learned.
      first_states: how many different states episodes begin in.
      error: standard error of ``transitions``; 0 where it was counted.
    """

    transitions: float
    episodes: int
    first_states: int
    error: float = 0.0


class DuplicateTally:
    """Repeats among transitions that come in order, some at a time."""

    def __init__(self) -> None:
        self._count = self._ended = 0
        self._steps, self._episodes, self._first = Distinct(), Distinct(), Distinct()
        self._episode = hashlib.blake2b(digest_size=_HASH_BYTES)  # of what it has so far

    def add(self, steps: Steps) -> None:
        """Add M of them: their ``state`` and ``actions``."""
        state, actions = steps.fields["state"], steps.fields["actions"]
        hashes = row_hashes(state, actions)
        self._count += len(hashes)
        self._steps.add(hashes)
        self._first.add(row_hashes(state[steps.first]))
        *whole, rest = np.split(hashes, steps.last + 1)
        ended = []
        for end in whole:
            self._episode.update(end.tobytes())
            ended.append(self._episode.digest())
            self._episode = hashlib.blake2b(digest_size=_HASH_BYTES)
        self._episode.update(rest.tobytes())
        self._ended += len(ended)
        self._episodes.add(np.frombuffer(b"".join(ended), np.uint64))

    def result(self) -> Duplicates:
        """Return what was found among all of them, which is at least one episode."""
        different = self._steps.count / self._count
        return Duplicates(
            transitions=max(1.0 - different, 0.0),
            episodes=max(self._ended - self._episodes.count, 0),
            first_states=self._first.count,
            error=different * self._steps.error,
        )
