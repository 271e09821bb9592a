"""Graphs that compute the same, to the bit, in every process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

_OPTION = "arithmetic_optimization"


@contextlib.contextmanager
def reproducible_graphs() -> Iterator[None]:
    """Keep TensorFlow from reordering sums while graphs are built and run inside.

    Grappler's arithmetic optimiser rewrites a graph in an order that differs from one
    process to the next, even with equal Python hash seeds, and so do the last bits of
    gradients: of ten processes that took one equal step, five got one result and five
    another. With it off, all agreed. A run that resumes in a new process needs this to
    end with the same weights. The setting is the process's and is put back afterwards.
    """
    before = tf.config.optimizer.get_experimental_options().get(_OPTION, True)
    tf.config.optimizer.set_experimental_options({_OPTION: False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: before})
