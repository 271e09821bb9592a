"""Where a batch's rows come from: a table in memory, or one on disk. They give the same bits."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from logo_tf.data.rows import RowIndex, Rows
from logo_tf.data.store import Dataset

# A transition shows these again as what came after it.
_SEEN = ("observations", "state", "legal_actions", "agent_mask")
_DONE = ("actions", "rewards")


class Table(Protocol):
    """A dataset's R rows and two of padding after them.

    Padding is zeros, but every action is legal there; what comes after it is padding too.
    """

    def gather(self, rows: tf.Tensor) -> tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]:
        """Gather inside a graph.

        Args:
          rows: (...) int64, 0 to R; R is padding.

        Returns:
          Field -> (..., ...) of these rows, and of the row after each without actions and
          rewards. Fields without numbers are left out.
        """


def table_of(dataset: Dataset) -> Table:
    """The table that a dataset asks for; one in memory is shared by all who read it."""
    if not dataset.in_memory:
        return DiskTable(dataset.rows)
    if dataset not in _held:
        _held[dataset] = MemoryTable(dataset.rows)
    return _held[dataset]


class MemoryTable:
    """All rows as tensors."""

    def __init__(self, rows: Rows) -> None:
        """Read them; padding is gathered like the rest."""
        names = _stored(rows)
        whole = {
            name: np.full((len(rows) + 2, *shape), name == "legal_actions", dtype)
            for name, (shape, dtype) in rows.fields.items()
            if name in names
        }
        for at, values in rows.blocks(RowIndex.all(len(rows)), names):
            for name, value in values.items():
                whole[name][at[0] : at[-1] + 1] = value
        self._fields = {name: constant(whole.pop(name)) for name in names}

    def gather(self, rows: tf.Tensor) -> tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]:
        """As the protocol says."""
        after = rows + 1
        return (
            {name: tf.gather(values, rows) for name, values in self._fields.items()},
            {
                name: tf.gather(values, after)
                for name, values in self._fields.items()
                if name in _SEEN
            },
        )


class DiskTable:
    """Rows that are read when a batch asks for them."""

    def __init__(self, rows: Rows) -> None:
        """Args: rows: of the dataset."""
        self._rows = rows
        self._names = _stored(rows)
        self._after = tuple(name for name in self._names if name in _SEEN)

    def gather(self, rows: tf.Tensor) -> tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]:
        """As the protocol says."""
        names = (*self._names, *self._after)
        kinds = [self._rows.fields[name] for name in names]
        values = tf.numpy_function(self._read, [rows], [dtype for _, dtype in kinds], False)
        for value, (shape, _) in zip(values, kinds, strict=True):
            value.set_shape((*rows.shape, *shape))
        count = len(self._names)
        return (
            dict(zip(self._names, values[:count], strict=True)),
            dict(zip(self._after, values[count:], strict=True)),
        )

    def _read(self, rows: np.ndarray) -> list[np.ndarray]:
        """Fields of the rows, then fields of the rows after them."""
        flat = rows.reshape(-1)
        real = flat < len(self._rows)
        kept = flat if real.all() else flat[real]
        # Of each run of rows that follow one another, the row after the last is read too.
        last = np.append(np.diff(kept) != 1, True)
        place = np.arange(len(kept)) + np.concatenate([[0], np.cumsum(last)[:-1]])
        wanted = np.insert(kept, np.flatnonzero(last) + 1, kept[last] + 1)
        found = self._rows.read(wanted, self._names)

        def shaped(name: str, place: np.ndarray) -> np.ndarray:
            values = found[name][place]
            if kept is not flat:
                shape = (len(flat), *values.shape[1:])
                spread = np.full(shape, name == "legal_actions", values.dtype)
                spread[real] = values
                values = spread
            return values.reshape(*rows.shape, *values.shape[1:])

        return [
            *(shaped(name, place) for name in self._names),
            *(shaped(name, place + 1) for name in self._after),
        ]


def constant(values: np.ndarray) -> tf.Tensor:
    """A tensor in the memory of the CPU, where tf.data runs; captured, not part of the graph."""
    with tf.device("/CPU:0"):
        return tf.constant(np.ascontiguousarray(values))


def _stored(rows: Rows) -> tuple[str, ...]:
    return tuple(
        name for name in (*_SEEN, *_DONE) if 0 not in rows.fields[name][0]
    )


_held: weakref.WeakKeyDictionary[Dataset, Table] = weakref.WeakKeyDictionary()
