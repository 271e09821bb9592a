"""A few rows picked from a batch, which several replicas may share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from logo_tf.replicas import of_all_rows, one_of_several, own_rows, replica_sums


class PickedRows(NamedTuple):
    """Which rows, and how draws are made for them.

    rows: (P,) of this replica's batch; count: () how many all replicas picked together;
    places: (P,) which of those the rows are, None where they are all.
    """

    rows: tf.Tensor
    count: tf.Tensor
    places: tf.Tensor | None = None

    @classmethod
    def alone(cls, rows: tf.Tensor) -> PickedRows:
        """Rows of a batch that nobody shares."""
        return cls(rows, tf.shape(rows)[0])

    def own(self, drawn: tf.Tensor, axis: int = 0) -> tf.Tensor:
        """(..., P, ...) of what was drawn for all picked rows, (..., count, ...)."""
        return drawn if self.places is None else tf.gather(drawn, self.places, axis=axis)

    def of_all(self, values: tf.Tensor) -> tf.Tensor:
        """(count, ...) of all picked rows, of values (P, ...); no gradient flows."""
        if self.places is None:
            return values
        shape = tf.concat([[self.count], tf.shape(values)[1:]], axis=0)
        return replica_sums(tf.scatter_nd(self.places[:, None], values, shape))


def pick_rows(
    pick: Callable[[tf.Tensor], tf.Tensor], counts: tf.Tensor, length: int = 1
) -> PickedRows:
    """Pick from the whole batch, and keep what is of this replica's rows.

    Args:
      pick: from the weights of all rows (B * T,) the indices of some.
      counts: (b * T,) the weights of this replica's rows.
      length: T, rows of a window; a replica has whole windows.
    """
    if not one_of_several():
        return PickedRows.alone(pick(counts))
    everywhere = tf.reshape(of_all_rows(tf.reshape(counts, (-1, length))), [-1])
    picked = pick(everywhere)
    window, time = picked // length, picked % length
    places, window = own_rows(window)
    return PickedRows(window * length + tf.gather(time, places), tf.shape(picked)[0], places)
