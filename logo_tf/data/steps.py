"""A dataset's transitions in order, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from logo_tf.data.store import Dataset


class Steps(NamedTuple):
    """M transitions that follow one another; an episode may go on in the next ones.

    Attributes:
      fields: name -> (M, ...), of the rows that hold them.
      first: which of them are an episode's first step, 0 to M - 1.
      last: which of them are an episode's last.
    """

    fields: Mapping[str, np.ndarray]
    first: np.ndarray
    last: np.ndarray


def steps_of(dataset: Dataset, names: Sequence[str]) -> Iterator[Steps]:
    """Yield all transitions, a few megabytes at a time.

    Args:
      dataset: the dataset.
      names: of the fields to read.
    """
    index, begin = dataset.transitions(), 0
    for rows, fields in dataset.rows.blocks(index, names):
        end = begin + len(rows)
        first = _between(index.begins, begin, end) - begin
        last = _between(index.ends - 1, begin, end) - begin
        yield Steps(fields, first, last)
        begin = end


def _between(places: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Those of some sorted numbers that are at least ``begin`` and less than ``end``."""
    return places[slice(*np.searchsorted(places, (begin, end)))]
