"""How imagined transitions are weighted: by uncertainty (4.3), and the rivals to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from logo_tf.errors import LogoError, nearest
from logo_tf.imagination.config import ImaginationConfig


class Sampler(Protocol):
    """Turns uncertainty, of the step or accumulated along its branch, into weights and rewards."""

    def log_weights(self, uncertainty: tf.Tensor) -> tf.Tensor:
        """Log of unnormalised sampling weights (M,), of uncertainties (M,)."""

    def rewards(self, rewards: tf.Tensor, uncertainty: tf.Tensor) -> tf.Tensor:
        """The rewards (M,) to learn from, of predicted ones (M,) and uncertainties (M,)."""


class UncertaintySampler:
    """Weights exp(P_u / temperature), P_u = max(C - u / median(u), 0), after section 4.3.

    The paper has no temperature: 1. Without the median every C >= 1 does nothing, for u is
    far below 1 in standardised units; with it, half of the rows have u / median(u) below 1
    on every dataset.
    """

    def __init__(self, truncation: float, temperature: float = 1.0) -> None:
        """Take the shape of the weights, of which no two have a ratio above e^(C / temperature).

        Args:
          truncation: C.
          temperature: positive; the larger, the more alike the weights.
        """
        self._truncation, self._temperature = truncation, temperature

    def log_weights(self, uncertainty: tf.Tensor) -> tf.Tensor:
        """P_u / temperature, (M,)."""
        return tf.maximum(self._truncation - relative(uncertainty), 0.0) / self._temperature

    def rewards(self, rewards: tf.Tensor, uncertainty: tf.Tensor) -> tf.Tensor:
        """As predicted."""
        del uncertainty
        return rewards


class UniformSampler:
    """Every imagined row with equal chance: what weighting is compared with."""

    def log_weights(self, uncertainty: tf.Tensor) -> tf.Tensor:
        """Zeros, (M,)."""
        return tf.zeros_like(uncertainty)

    def rewards(self, rewards: tf.Tensor, uncertainty: tf.Tensor) -> tf.Tensor:
        """As predicted."""
        del uncertainty
        return rewards


class PenaltySampler(UniformSampler):
    """Equal chances, but r - lambda std(r) u / median(u), after MOPO (arXiv 2005.13239).

    MOPO writes r - lambda u; std(r) and the median make one lambda mean the same on
    every dataset.
    """

    def __init__(self, penalty: float) -> None:
        """Args: penalty: lambda."""
        self._penalty = penalty

    def rewards(self, rewards: tf.Tensor, uncertainty: tf.Tensor) -> tf.Tensor:
        """Penalised rewards, (M,)."""
        return rewards - self._penalty * tf.math.reduce_std(rewards) * relative(uncertainty)


SAMPLERS: dict[str, Callable[[ImaginationConfig], Sampler]] = {
    "uncertainty": lambda config: UncertaintySampler(config.truncation, config.temperature),
    "uniform": lambda config: UniformSampler(),
    "penalty": lambda config: PenaltySampler(config.penalty),
}


def make_sampler(config: ImaginationConfig) -> Sampler:
    """Make the config's sampler.

    Raises:
      LogoError: no such sampler.
    """
    if config.sampler not in SAMPLERS:
        raise LogoError(f"no sampler {config.sampler!r}; {nearest(config.sampler, SAMPLERS)}")
    return SAMPLERS[config.sampler](config)


def relative(uncertainty: tf.Tensor) -> tf.Tensor:
    """U / median(u), (M,); zeros where the median is 0 or M is."""
    ordered = tf.sort(uncertainty)
    count = tf.size(ordered)
    middle = ordered[(count - 1) // 2 : count // 2 + 1]  # one value, or the two around it
    return tf.math.divide_no_nan(uncertainty, tf.reduce_mean(middle))


def masked_median(values: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Median (...) of the values (..., M) that count, (..., M) bool: at least one in each row."""
    ordered = tf.sort(tf.where(counts, values, values.dtype.max))
    number = tf.reduce_sum(tf.cast(counts, tf.int32), axis=-1, keepdims=True)
    middle = tf.concat([(number - 1) // 2, number // 2], axis=-1)  # the same one, or two
    return tf.reduce_mean(tf.gather(ordered, middle, axis=-1, batch_dims=-1), axis=-1)


def effective_sample_size(weights: tf.Tensor) -> tf.Tensor:
    """(sum w)^2 / sum w^2, between 1 and the number of positive weights; 0 for none."""
    return tf.math.divide_no_nan(
        tf.square(tf.reduce_sum(weights)), tf.reduce_sum(tf.square(weights))
    )
