"""Streams of batches for training: batch k depends on the seed and k, on nothing else.

So a run that is resumed at step k with ``start=k`` sees exactly the batches that an
uninterrupted one would have seen, and no iterator state has to be saved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions
from logo_tf.errors import LogoError

# Rows are drawn for this many batches at once: calling into the graph costs more than
# drawing. Batch k stays a pure function of the seed and k.
_BATCHES_PER_DRAW = 32


def transitions(
    dataset: Dataset,
    episodes: np.ndarray | None,
    batch_size: int,
    seed: int,
    start: int = 0,
    only: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Stream batches without end, uniform over transitions (with replacement).

    Args:
      dataset: where they come from.
      episodes: indices of the episodes to use; None means all.
      batch_size: B.
      seed: fixes the stream.
      start: how many batches to leave out at the beginning.
      only: (b,) which rows of each batch to read; None means all. It changes no draw, so
        that streams of disjoint rows make up the batch.

    Returns:
      A tf.data.Dataset of ``Transitions`` (B, ...), or (b, ...).

    Raises:
      LogoError: no episode, an index out of range, or a size below 1.
    """
    table = _Table(dataset)
    rows = _constant(dataset.transition_rows(episodes))
    return _rows(rows, batch_size, seeds.pair(seed, "transitions"), start, table.gather, only)


def windows(
    dataset: Dataset,
    episodes: np.ndarray | None,
    length: int,
    batch_size: int,
    seed: int,
    start: int = 0,
    context: int = 0,
    only: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Stream batches of consecutive transitions without end.

    A window starts at any transition with equal chance and stays in its episode. What
    lies outside the episode is padding: zeros, but every action legal, so that
    log-probabilities over legal actions stay finite there.

    Args:
      dataset: where they come from.
      episodes: indices of the episodes to use; None means all.
      length: T.
      batch_size: B.
      seed: fixes the stream.
      start: how many batches to leave out at the beginning.
      context: C, how many rows before its first one a window also shows; it changes
        neither which windows are drawn nor their order.
      only: (b,) which windows of each batch to read, as in ``transitions``.

    Returns:
      A tf.data.Dataset of (``Transitions`` (B, C + T, ...), mask (B, C + T) float32 that
      is 1 on transitions and 0 on padding). The mask's column C is 1.

    Raises:
      LogoError: no episode, an index out of range, or a size below 1.
    """
    if length < 1:
        raise LogoError(f"window length must be at least 1, got {length}")
    table = _Table(dataset)
    rows = _constant(dataset.transition_rows(episodes))

    def gather(first: tf.Tensor) -> tuple[Transitions, tf.Tensor]:
        return table.gather_windows(first, length, context)

    return _rows(rows, batch_size, seeds.pair(seed, "windows"), start, gather, only)


def sequential(dataset: Dataset, episodes: np.ndarray | None, batch_size: int) -> tf.data.Dataset:
    """Stream every transition once, in order; the last batch may be smaller.

    Args:
      dataset: where they come from.
      episodes: indices of the episodes to use, in this order; None means all.
      batch_size: B.

    Returns:
      A tf.data.Dataset of ``Transitions`` (B, ...).

    Raises:
      LogoError: no episode, an index out of range, or a size below 1.
    """
    _require_size(batch_size)
    table = _Table(dataset)
    with tf.device("/CPU:0"):
        stream = tf.data.Dataset.from_tensor_slices(dataset.transition_rows(episodes))
        return stream.batch(batch_size).map(table.gather).prefetch(2)


class _Table:
    """The dataset's rows as tensors in memory, and how batches are gathered from them.

    Two rows of padding follow the last one, so that padding is gathered like the rest:
    a padded transition's next row is padding too.
    """

    def __init__(self, dataset: Dataset) -> None:
        last = dataset.first_rows + dataset.lengths  # the bootstrap row
        ends = np.repeat(last, dataset.lengths + 1)
        terminals = np.zeros(len(ends), np.float32)
        terminals[last[dataset.terminated] - 1] = 1.0
        self._agents, self._legal_dim = dataset.spec.num_agents, dataset.spec.legal_dim
        self._padding_row = len(ends)
        self._ends = _constant(ends)
        self._begins = _constant(np.repeat(dataset.first_rows, dataset.lengths + 1))
        self._observations = _padded(dataset.field("observations"))
        self._state = _padded(dataset.field("state"))
        self._actions = _padded(dataset.field("actions"))
        self._rewards = _padded(dataset.field("rewards"))
        self._legal = _padded(dataset.field("legal_actions"), fill=True)
        self._alive = _padded(np.asarray(dataset.field("agent_mask"), np.float32))
        self._terminals = _padded(terminals)

    def gather(self, rows: tf.Tensor) -> Transitions:
        """Transitions (..., ...) at rows (...)."""
        after = rows + 1
        return Transitions(
            observations=tf.gather(self._observations, rows),
            state=tf.gather(self._state, rows),
            actions=tf.gather(self._actions, rows),
            rewards=tf.gather(self._rewards, rows),
            next_observations=tf.gather(self._observations, after),
            next_state=tf.gather(self._state, after),
            terminals=tf.gather(self._terminals, rows),
            legal_actions=self._legal_rows(rows),
            next_legal_actions=self._legal_rows(after),
            agent_mask=tf.gather(self._alive, rows),
            next_agent_mask=tf.gather(self._alive, after),
        )

    def gather_windows(
        self, first: tf.Tensor, length: int, context: int = 0
    ) -> tuple[Transitions, tf.Tensor]:
        """Windows (..., C + T, ...) around the rows ``first``, and their mask (..., C + T)."""
        begin = tf.gather(self._begins, first)[..., None]
        end = tf.gather(self._ends, first)[..., None]
        rows = first[..., None] + tf.range(-context, length, dtype=tf.int64)
        inside = tf.logical_and(rows >= begin, rows < end)
        rows = tf.where(inside, rows, tf.constant(self._padding_row, tf.int64))
        return self.gather(rows), tf.cast(inside, tf.float32)

    def _legal_rows(self, rows: tf.Tensor) -> tf.Tensor:
        if self._legal_dim:
            return tf.gather(self._legal, rows)
        shape = tf.concat([tf.shape(rows), [self._agents, 0]], axis=0)
        return tf.ensure_shape(tf.zeros(shape, tf.bool), (*rows.shape, self._agents, 0))


def _rows(
    rows: tf.Tensor,
    batch_size: int,
    seed: tuple[int, int],
    start: int,
    gather: Callable[[tf.Tensor], Any],
    only: np.ndarray | None,
) -> tf.data.Dataset:
    """Batches start, start + 1, ... of ``gather`` at rows picked with equal chance."""
    _require_size(batch_size)
    if start < 0:
        raise LogoError(f"start must be at least 0, got {start}")

    def draw(number: tf.Tensor) -> tf.Tensor:
        index = tf.random.stateless_uniform(
            (_BATCHES_PER_DRAW, batch_size),
            seed=tf.stack([key, number]),
            maxval=rows.shape[0],
            dtype=tf.int64,
        )
        if only is not None:
            index = tf.gather(index, only, axis=1)
        return tf.gather(rows, index)

    with tf.device("/CPU:0"):
        key = tf.constant(seed[0] << 31 | seed[1], tf.int64)
        draws = tf.data.Dataset.counter(start // _BATCHES_PER_DRAW).map(draw)
        batches = draws.unbatch().skip(start % _BATCHES_PER_DRAW)
        # Gathered after unbatching: in TensorFlow 2.21, unbatching a tensor without
        # elements, such as the legal actions of continuous agents, crashes the process.
        return batches.map(gather).prefetch(2)


def _require_size(batch_size: int) -> None:
    if batch_size < 1:
        raise LogoError(f"batch size must be at least 1, got {batch_size}")


def _padded(values: np.ndarray, fill: bool = False) -> tf.Tensor:
    rows = np.full((2, *values.shape[1:]), fill, values.dtype)
    return _constant(np.concatenate([values, rows]))


def _constant(values: np.ndarray) -> tf.Tensor:
    # On the CPU, where tf.data runs, and in eager memory: captured, not baked into the graph.
    with tf.device("/CPU:0"):
        return tf.constant(np.ascontiguousarray(values))
