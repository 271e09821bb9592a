"""Standardised units, in which a world model works: what is real, what varies, what is written."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.data.standardisation import Standardisation
from logo_tf.specs import ScenarioSpec


class Scaling:
    """Turns raw units into standardised ones and back, for one dataset and scenario.

    Dimensions that never vary in the data, that only repeat the last joint action, or
    that are padding are not predicted: the first keep their value, the second are
    written from the action, the third stay zero.

    Attributes:
      state_mask: (S,) float32, 1 where the state is predicted.
      observation_mask: (N, O) float32, 1 where an observation is predicted.
      state_count: how many state dimensions are predicted, at least 1.
    """

    def __init__(self, spec: ScenarioSpec, statistics: Standardisation) -> None:
        """Args: spec: the scenario; statistics: of the training episodes."""
        self.spec = spec
        self.statistics = statistics
        written = 1.0 - spec.predicted_state_mask
        varying = 1.0 - np.asarray(statistics.state_constant, np.float32)
        self.state_mask = spec.predicted_state_mask * varying
        self._real = spec.observation_mask
        self.observation_mask = self._real * (
            1.0 - np.asarray(statistics.observation_constant, np.float32)
        )
        self.state_count = max(float(self.state_mask.sum()), 1.0)
        self._kept = (1.0 - self.state_mask) * (1.0 - written)
        self._written = written

    def state(self, raw: tf.Tensor) -> tf.Tensor:
        """Standardise states (..., S)."""
        return (raw - self.statistics.state_mean) / self.statistics.state_std

    def raw_state(self, standard: tf.Tensor) -> tf.Tensor:
        """Undo ``state`` and clip to the range of the data."""
        raw = standard * self.statistics.state_std + self.statistics.state_mean
        return tf.clip_by_value(raw, self.statistics.state_min, self.statistics.state_max)

    def observations(self, raw: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
        """Standardise observations (..., N, O); zero for padding and for the dead (..., N)."""
        scaled = (raw - self.statistics.observation_mean) / self.statistics.observation_std
        return scaled * self._real * alive[..., None]

    def raw_observations(self, standard: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
        """Undo ``observations`` and clip to the range of the data."""
        s = self.statistics
        raw = standard * s.observation_std + s.observation_mean
        raw = tf.clip_by_value(raw, s.observation_min, s.observation_max)
        return raw * self._real * alive[..., None]

    def reward(self, raw: tf.Tensor) -> tf.Tensor:
        """Standardise rewards (...)."""
        return (raw - self.statistics.reward_mean) / self.statistics.reward_std

    def raw_reward(self, standard: tf.Tensor) -> tf.Tensor:
        """Undo ``reward`` and clip to the range of the data."""
        raw = standard * self.statistics.reward_std + self.statistics.reward_mean
        return tf.clip_by_value(raw, self.statistics.reward_min, self.statistics.reward_max)

    def actions(self, raw: tf.Tensor) -> tf.Tensor:
        """Encode a joint action as (B, N, A) float32: one-hot, or the bounds as -1 to 1."""
        spec = self.spec
        if spec.discrete:
            return tf.one_hot(raw, spec.action_dim, dtype=tf.float32)
        low = np.asarray(spec.action_low, np.float32)
        high = np.asarray(spec.action_high, np.float32)
        span = np.where(high > low, high - low, 1.0).astype(np.float32)
        return ((raw - low) / span * 2.0 - 1.0) * spec.action_mask

    def complete_state(
        self, predicted: tf.Tensor, state: tf.Tensor, actions: tf.Tensor
    ) -> tf.Tensor:
        """Fill in what is not predicted.

        Args:
          predicted: (B, S) standardised next states.
          state: (B, S) standardised states before.
          actions: (B, N, A) encoded joint actions.

        Returns:
          (B, S): predicted dimensions as they are, constant ones as before, and
          those that repeat the last joint action written from it.
        """
        complete = predicted * self.state_mask + state * self._kept
        offset = self.spec.last_action_offset
        if offset is None or not self._written.any():
            return complete
        width = self.spec.num_agents * self.spec.action_dim
        joint = tf.reshape(actions, (-1, width))
        after = self.spec.state_dim - offset - width
        placed = tf.pad(joint, [[0, 0], [offset, after]])
        return complete + self.state(placed) * self._written
