"""Which rows a conservative term is about: those it pushes down, and those it pushes up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class HeldRows(NamedTuple):
    """The weight of each row in either part of a conservative term, (B,) or (B, T).

    down: where the values of joint actions at large are pushed down; up: where that of the
    logged one is pushed up.
    """

    down: tf.Tensor
    up: tf.Tensor


def _all(counts: tf.Tensor, synthetic: tf.Tensor) -> HeldRows:
    del synthetic
    return HeldRows(counts, counts)


def _real(counts: tf.Tensor, synthetic: tf.Tensor) -> HeldRows:
    real = counts * (1.0 - synthetic)
    return HeldRows(real, real)


def _imagined(counts: tf.Tensor, synthetic: tf.Tensor) -> HeldRows:
    return HeldRows(counts * synthetic, counts * (1.0 - synthetic))


HELD_ROWS: dict[str, Callable[[tf.Tensor, tf.Tensor], HeldRows]] = {
    "all": _all,
    "real": _real,
    "imagined": _imagined,
}
"""By ``cql_rows``, functions of the weights of rows and of which were imagined (1) or
observed (0). ``all`` and ``real`` are CQL's term on the whole batch or on its real part;
``imagined`` is COMBO's: down where the model led the policy, up where the data are."""
