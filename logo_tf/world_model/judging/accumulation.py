"""From the uncertainty of each step of a branch to a signal of the error after k steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from logo_tf.errors import LogoError, nearest
from logo_tf.world_model.config import Accumulation


def _rms(uncertainty: tf.Tensor) -> tf.Tensor:
    count = tf.range(1, tf.shape(uncertainty)[0] + 1)[:, None]
    return tf.sqrt(tf.cumsum(tf.square(uncertainty)) / tf.cast(count, uncertainty.dtype))


ACCUMULATIONS: dict[Accumulation, Callable[[tf.Tensor], tf.Tensor]] = {
    "step": tf.identity,
    "max": lambda uncertainty: tf.scan(tf.maximum, uncertainty),
    "sum": tf.cumsum,
    "rms": _rms,
}
"""By name, functions of u (T, B) along B branches that give a signal (T, B): that of the
``step`` itself, or the ``max``, ``sum`` or ``rms`` of the branch so far. At the first step
all are u, and no step's signal depends on a later one."""


def accumulate(uncertainty: Any, accumulation: Accumulation) -> Any:
    """Turn the uncertainty of each step into the signal of an accumulation.

    Args:
      uncertainty: (T, B) u along B branches.
      accumulation: a name of ``ACCUMULATIONS``.

    Returns:
      (T, B) the signal; NumPy in, NumPy out; of a tensor, plain TensorFlow ops.

    Raises:
      LogoError: no such accumulation.
    """
    if accumulation not in ACCUMULATIONS:
        raise LogoError(f"no accumulation {accumulation!r}; {nearest(accumulation, ACCUMULATIONS)}")
    signal = ACCUMULATIONS[accumulation](tf.convert_to_tensor(uncertainty))
    return signal if tf.is_tensor(uncertainty) else signal.numpy()
