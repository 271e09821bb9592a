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
from logo_tf.data.tables import Fields, constant, table_of
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
    source = _Source(dataset, episodes)
    with tf.device("/CPU:0"):
        rows = _drawn(source.rows, source.count, batch_size, seed, "transitions", start, only)
        return source.batches(rows, lambda batch, inside: batch)


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
    source = _Source(dataset, episodes)

    def around(places: tf.Tensor) -> tf.Tensor:
        return source.windows(source.rows(places), length, context)

    with tf.device("/CPU:0"):
        rows = _drawn(around, source.count, batch_size, seed, "windows", start, only)
        return source.batches(rows, lambda batch, inside: (batch, inside))


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
    source = _Source(dataset, episodes)
    with tf.device("/CPU:0"):
        rows = tf.data.Dataset.range(source.count).batch(batch_size).map(source.rows)
        return source.batches(rows, lambda batch, inside: batch)


class _Source:
    """A dataset's transitions: which rows they are, and batches of what stands there."""

    def __init__(self, dataset: Dataset, episodes: np.ndarray | None) -> None:
        self._table = table_of(dataset)
        self._legal_shape = dataset.spec.num_agents, dataset.spec.legal_dim
        self._padding_row = len(dataset.rows)
        # A number an episode, not a row: those would be as much as a column.
        self._first = constant(dataset.first_rows)
        self._last = constant(dataset.first_rows + dataset.lengths)  # the bootstrap row
        self._terminated = constant(dataset.terminated)
        index = dataset.transitions(episodes)
        self.count = len(index)
        self._chosen, self._begins = constant(index.first), constant(index.begins)

    def rows(self, places: tf.Tensor) -> tf.Tensor:
        """Rows (...) of the transitions at places (...) of 0 to ``count`` - 1."""
        episode = _stretch(self._begins, places)
        return tf.gather(self._chosen, episode) + places - tf.gather(self._begins, episode)

    def windows(self, first: tf.Tensor, length: int, context: int) -> tf.Tensor:
        """Rows (..., C + T) around the rows ``first``; padding outside of their episode."""
        episode = _stretch(self._first, first)
        begin = tf.gather(self._first, episode)[..., None]
        end = tf.gather(self._last, episode)[..., None]
        rows = first[..., None] + tf.range(-context, length, dtype=tf.int64)
        inside = tf.logical_and(rows >= begin, rows < end)
        return tf.where(inside, rows, tf.constant(self._padding_row, tf.int64))

    def batches(
        self, rows: tf.data.Dataset, shown: Callable[[Transitions, tf.Tensor], Any]
    ) -> tf.data.Dataset:
        """What is shown of the transitions (..., ...) at rows (...), and of which are real."""

        def made(rows: tf.Tensor, now: Fields, after: Fields) -> Any:
            inside = tf.cast(rows < self._padding_row, tf.float32)
            return shown(self._transitions(rows, now, after), inside)

        return self._table.stream(rows, made).prefetch(2)

    def _transitions(self, rows: tf.Tensor, now: Fields, after: Fields) -> Transitions:
        episode = _stretch(self._first, rows)
        ends = tf.gather(self._terminated, episode) & (rows + 1 == tf.gather(self._last, episode))
        return Transitions(
            observations=now["observations"],
            state=now["state"],
            actions=now["actions"],
            rewards=now["rewards"],
            next_observations=after["observations"],
            next_state=after["state"],
            terminals=tf.cast(ends, tf.float32),
            legal_actions=self._legal(now, rows),
            next_legal_actions=self._legal(after, rows),
            agent_mask=tf.cast(now["agent_mask"], tf.float32),
            next_agent_mask=tf.cast(after["agent_mask"], tf.float32),
        )

    def _legal(self, fields: Fields, rows: tf.Tensor) -> tf.Tensor:
        if "legal_actions" in fields:
            return fields["legal_actions"]
        shape = tf.concat([tf.shape(rows), self._legal_shape], axis=0)
        return tf.ensure_shape(tf.zeros(shape, tf.bool), (*rows.shape, *self._legal_shape))


def _stretch(begins: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Of stretches that begin there, one after the other, that in which each number lies."""
    found = tf.searchsorted(begins, tf.reshape(numbers, [-1]), side="right", out_type=tf.int64)
    return tf.reshape(found - 1, tf.shape(numbers))


def _drawn(
    rows_at: Callable[[tf.Tensor], tf.Tensor],
    count: int,
    batch_size: int,
    seed: int,
    name: str,
    start: int,
    only: np.ndarray | None,
) -> tf.data.Dataset:
    """Rows of the batches start, start + 1, ...: ``rows_at`` places drawn with equal chance."""
    _require_size(batch_size)
    if start < 0:
        raise LogoError(f"start must be at least 0, got {start}")
    first, second = seeds.pair(seed, name)
    key = tf.constant(first << 31 | second, tf.int64)

    def draw(number: tf.Tensor) -> tf.Tensor:
        places = tf.random.stateless_uniform(
            (_BATCHES_PER_DRAW, batch_size),
            seed=tf.stack([key, number]),
            maxval=count,
            dtype=tf.int64,
        )
        if only is not None:
            places = tf.gather(places, only, axis=1)
        return rows_at(places)

    draws = tf.data.Dataset.counter(start // _BATCHES_PER_DRAW).map(draw)
    # Gathered after unbatching: in TensorFlow 2.21, unbatching a tensor without elements,
    # such as the legal actions of continuous agents, crashes the process.
    return draws.unbatch().skip(start % _BATCHES_PER_DRAW)


def _require_size(batch_size: int) -> None:
    if batch_size < 1:
        raise LogoError(f"batch size must be at least 1, got {batch_size}")
