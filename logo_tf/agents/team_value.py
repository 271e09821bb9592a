"""What a team may still earn: where a plan ends, its value begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class TeamValue(NamedTuple):
    """A trained value of the team as a pure graph function, as ``GraphPolicy`` is of a policy.

    estimate: (state (B, S), observations (B, N, O), legal_actions (B, N, L) bool, memory
    (B, N, M)) -> (B,) the discounted return from that row on if the team follows its policy,
    in the scenario's own units of reward, and the memory after the row; memory_dim: M, 0
    without a memory.
    """

    estimate: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    memory_dim: int = 0


def _nothing(
    state: tf.Tensor, observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    del observations, legal_actions
    return tf.zeros(tf.shape(state)[:1]), memory


NO_VALUE = TeamValue(_nothing)
"""Of an algorithm that learns none: nothing is known beyond the horizon."""
