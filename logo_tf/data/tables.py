"""Where a batch's rows come from: a table in memory, or one on disk. They give the same bits."""

from __future__ import annotations

import atexit
import contextlib
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from logo_tf.data.rows import RowIndex, Rows
from logo_tf.data.store import Dataset
from logo_tf.errors import LogoError

# A transition shows these again as what came after it.
_SEEN = ("observations", "state", "legal_actions", "agent_mask")
_DONE = ("actions", "rewards")
# Batches that are read at once, where they are small: a call of Python costs as much as the
# reads of one batch. And how many such calls wait for the disk side by side.
_BATCHES_PER_READ, _READ_BYTES = 8, 2**22
_READERS = 4

Fields = Mapping[str, tf.Tensor]
Made = Callable[[tf.Tensor, Fields, Fields], Any]


class Table(Protocol):
    """A dataset's R rows and two of padding after them.

    Padding is zeros, but every action is legal there; what comes after it is padding too.
    """

    def stream(self, rows: tf.data.Dataset, made: Made) -> tf.data.Dataset:
        """Turn a stream of row numbers into one of batches.

        Args:
          rows: of tensors (...) int64 of 0 to R; R is padding. All have one shape but
            the last, which may be smaller.
          made: makes a batch, in a graph, of the numbers, of the fields of these rows
            (..., ...), and of those fields of the row after each that can be seen. Fields
            without numbers are left out.
        """


def table_of(dataset: Dataset) -> Table:
    """The table that a dataset asks for; one in memory is shared by all who read it."""
    if not dataset.in_memory:
        return DiskTable(dataset.rows)
    if dataset not in _held:
        _held[dataset] = MemoryTable(dataset.rows)
    return _held[dataset]


@contextlib.contextmanager
def plain_failures(dataset: Dataset) -> Iterator[None]:
    """Raise the ``LogoError`` of a failed read, which TensorFlow wraps into one of its own."""
    try:
        yield
    except tf.errors.OpError as error:
        failure = _failures.get(dataset.rows)
        if failure is None:
            raise
        raise failure from error


class MemoryTable:
    """All rows as tensors."""

    def __init__(self, rows: Rows) -> None:
        """Read them; padding is gathered like the rest."""
        names = _stored(rows)
        whole = {name: _padding(rows, name, len(rows) + 2) for name in names}
        for at, values in rows.blocks(RowIndex.all(len(rows)), names):
            for name, value in values.items():
                whole[name][at[0] : at[-1] + 1] = value
        self._fields = {name: constant(whole.pop(name)) for name in names}

    def stream(self, rows: tf.data.Dataset, made: Made) -> tf.data.Dataset:
        """As the protocol says."""

        def gather(rows: tf.Tensor, names: tuple[str, ...]) -> Fields:
            return {n: tf.gather(x, rows) for n, x in self._fields.items() if n in names}

        return rows.map(
            lambda rows: made(rows, gather(rows, (*_SEEN, *_DONE)), gather(rows + 1, _SEEN))
        )


class DiskTable:
    """Rows that are read when a batch asks for them."""

    def __init__(self, rows: Rows) -> None:
        """Args: rows: of the dataset."""
        self._rows = rows
        names = _stored(rows)
        self._record = np.dtype([(n, rows.fields[n][1], rows.fields[n][0]) for n in names])
        self._padding = np.zeros((), self._record)
        if "legal_actions" in names:
            self._padding["legal_actions"] = True

    def stream(self, rows: tf.data.Dataset, made: Made) -> tf.data.Dataset:
        """As the protocol says."""
        size = 2 * self._record.itemsize
        shape = rows.element_spec.shape
        at_once = 1
        if shape.is_fully_defined():
            at_once = min(_READ_BYTES // (size * shape.num_elements()), _BATCHES_PER_READ) or 1

        def read(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return rows, tf.ensure_shape(
                tf.numpy_function(self._read, [rows], tf.uint8, stateful=False),
                (*rows.shape, size),
            )

        def decode(rows: tf.Tensor, both: tf.Tensor) -> Any:
            return made(rows, *(self._fields(part) for part in tf.split(both, 2, axis=-1)))

        options = tf.data.Options()
        # Waiting for a disk must not take the threads that training computes with.
        options.threading.private_threadpool_size = _READERS + 1
        several = rows.batch(at_once)
        found = several.map(read, num_parallel_calls=_READERS).unbatch()
        return found.map(decode).with_options(options)

    def _fields(self, records: tf.Tensor) -> Fields:
        """Fields (..., ...) of records, (..., bytes) uint8."""
        found, begin = {}, 0
        for name in self._record.names or ():
            shape, dtype = self._rows.fields[name]
            end = begin + math.prod(shape) * dtype.itemsize
            values, begin = records[..., begin:end], end
            if dtype.kind == "b":
                values = tf.cast(values, tf.bool)
            else:
                values = tf.reshape(values, [*_sizes(records), -1, dtype.itemsize])
                values = tf.bitcast(values, dtype)
            found[name] = tf.reshape(values, [*_sizes(records), *shape])
        return found

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """(..., 2 records) uint8: of each row and of the one after it."""
        with _settling.reading():
            try:
                both = self._records(rows.reshape(-1))
            except LogoError as error:
                _failures[self._rows] = error
                raise
        return both.view(np.uint8).reshape(*rows.shape, -1)

    def _records(self, rows: np.ndarray) -> np.ndarray:
        """(M, 2) records."""
        both = np.empty((len(rows), 2), self._record)
        real = rows < len(self._rows)
        if not real.all():
            both[~real] = self._padding
            rows = rows[real]
        # Of each run of rows that follow one another, the row after the last is read too.
        last = np.append(np.diff(rows) != 1, True)
        place = np.arange(len(rows)) + np.cumsum(last) - last
        wanted = np.insert(rows, np.flatnonzero(last) + 1, rows[last] + 1)
        found = np.empty(len(wanted), self._record)
        for name, values in self._rows.read(wanted, self._record.names or ()).items():
            found[name] = values
        both[real] = np.stack([found[place], found[place + 1]], axis=1)
        return both


class _Settling:
    """Ends the interpreter only when no thread of tf.data is about to call it.

    Streams read ahead, by calling Python. A thread that asks for the interpreter while that
    is being taken down never returns, and who waits for the thread, as the end of a stream
    does, hangs. Streams that nobody asks stop when they are a few batches ahead.
    """

    _QUIET, _PATIENCE = 0.5, 10.0  # seconds; threads of a busy machine may wait for long

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._last = 0.0

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Around every call from a stream."""
        with self._lock:
            if not self._last:
                atexit.register(self._settle)
            self._running += 1
            self._last = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._last = time.monotonic()

    def _settle(self) -> None:
        until = time.monotonic() + self._PATIENCE
        while time.monotonic() < until:
            if not self._running and time.monotonic() > self._last + self._QUIET:
                return
            time.sleep(0.01)  # lets the other threads in


def constant(values: np.ndarray) -> tf.Tensor:
    """A tensor in the memory of the CPU, where tf.data runs; captured, not part of the graph."""
    with tf.device("/CPU:0"):
        return tf.constant(np.ascontiguousarray(values))


def _padding(rows: Rows, name: str, count: int) -> np.ndarray:
    shape, dtype = rows.fields[name]
    return np.full((count, *shape), name == "legal_actions", dtype)


def _stored(rows: Rows) -> tuple[str, ...]:
    return tuple(name for name in (*_SEEN, *_DONE) if 0 not in rows.fields[name][0])


def _sizes(values: tf.Tensor) -> list[Any]:
    """Of all axes but the last: numbers where they are known."""
    shape = tf.shape(values)
    return [size or shape[axis] for axis, size in enumerate(values.shape[:-1])]


_held: weakref.WeakKeyDictionary[Dataset, Table] = weakref.WeakKeyDictionary()
_failures: weakref.WeakKeyDictionary[Rows, LogoError] = weakref.WeakKeyDictionary()
_settling = _Settling()
