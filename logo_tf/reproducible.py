"""Graphs that compute the same, to the bit, in every process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

_OPTION = "disable_meta_optimizer"


@contextlib.contextmanager
def reproducible_graphs() -> Iterator[None]:
    """Keep TensorFlow from rewriting graphs that are built and run inside.

    Grappler, its graph optimiser, rewrites a graph in an order that differs from one time
    to the next, even with equal Python hash seeds, and so do the last bits of sums: of ten
    processes that took one equal step, five got one gradient and five another. That was its
    arithmetic optimiser; without that one alone, six of 30 trainings of an ensemble still
    logged another loss, and without all of it, none. Steps take as long without it, and
    tracing less. A run that resumes in a new process needs this to end with the same
    weights. The setting is the process's and is put back afterwards.
    """
    before = tf.config.optimizer.get_experimental_options().get(_OPTION, False)
    tf.config.optimizer.set_experimental_options({_OPTION: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: before})
