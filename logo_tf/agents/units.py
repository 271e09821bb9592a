"""Continuous actions in units in which each agent's bounds are -1 and 1."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.specs import ScenarioSpec


def to_unit(spec: ScenarioSpec, actions: tf.Tensor) -> tf.Tensor:
    """Raw joint actions (..., N, A) -> units in which the bounds are -1 and 1; 0 where padded."""
    centre, half = action_range(spec)
    scale = np.divide(1.0, half, out=np.zeros_like(half), where=half > 0)
    return (actions - centre) * scale


def from_unit(spec: ScenarioSpec, actions: tf.Tensor) -> tf.Tensor:
    """The inverse of ``to_unit``: raw joint actions (..., N, A), 0 where padded."""
    centre, half = action_range(spec)
    return centre + half * actions


def action_range(spec: ScenarioSpec) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half width of each action dimension's bounds, (N, A) each, 0 where padded."""
    low = np.asarray(spec.action_low, np.float32)
    high = np.asarray(spec.action_high, np.float32)
    return (high + low) / 2 * spec.action_mask, (high - low) / 2 * spec.action_mask
