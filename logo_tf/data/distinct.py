"""Counting what is different among more than can be held."""

from __future__ import annotations

import hashlib
import math

import numpy as np

# Of 10^7 different rows two share a hash of 64 bits once in 400,000 datasets.
_HASH_BYTES = 8
# As many hashes are held, 16 MiB of them: up to here the count has no error.
_MOST = 2**21
_ROWS_AT_ONCE = 65536


def row_hashes(*columns: np.ndarray) -> np.ndarray:
    """(M,) uint64, one of each row of all columns (M, ...) together; 0 and -0 are the same."""
    found: list[bytes] = []
    count = len(columns[0])
    for begin in range(0, count, _ROWS_AT_ONCE):
        some = slice(begin, min(begin + _ROWS_AT_ONCE, count))
        blocks = [np.ascontiguousarray(column[some]) + 0 for column in columns]
        flat = [block.reshape(len(block), -1).view(np.uint8) for block in blocks]
        rows = np.concatenate(flat, axis=1)
        found.append(
            b"".join([hashlib.blake2b(row, digest_size=_HASH_BYTES).digest() for row in rows])
        )
    return np.frombuffer(b"".join(found), np.uint64)


class Distinct:
    """Counts different hashes in memory that does not grow with them.

    It keeps the K = 2^21 smallest. While there are fewer it counts them; of more, the largest
    of those kept tells how densely the hashes lie (Bar-Yossef et al. 2002, "Counting distinct
    elements in a data stream"; the estimate is that of Beyer et al. 2007, without bias).
    """

    def __init__(self) -> None:
        self._kept = np.zeros(0, np.uint64)

    def add(self, hashes: np.ndarray) -> None:
        """Add (M,) uint64."""
        if self._full:
            hashes = hashes[hashes < self._kept[-1]]
        if len(hashes):
            # Sorted rows are joined by a stable sort in one go.
            every = np.sort(np.concatenate([self._kept, np.sort(hashes)]), kind="stable")
            new = np.concatenate([[True], every[1:] != every[:-1]])
            self._kept = every[new][:_MOST]

    @property
    def count(self) -> int:
        """How many different hashes were added."""
        if not self._full:
            return len(self._kept)
        return round((_MOST - 1) / ((float(self._kept[-1]) + 1) / 2**64))

    @property
    def error(self) -> float:
        """Standard error of the count, relative to it; 0 where nothing was estimated."""
        return 1 / math.sqrt(_MOST - 2) if self._full else 0.0

    @property
    def _full(self) -> bool:
        return len(self._kept) >= _MOST
