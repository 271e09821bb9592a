"""The policies' losses: pure functions of predictions, targets and a mask."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.replicas import global_max, global_sums


class TemporalDifference(NamedTuple):
    """loss: squared error summed over the critics; error: its mean absolute size."""

    loss: tf.Tensor
    error: tf.Tensor


def masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of ``values`` where ``mask`` is 1, of any equal shape; 0 where it nowhere is.

    Where several replicas share a batch it is that of all their rows.
    """
    total, count = global_sums(tf.reduce_sum(values * mask), tf.reduce_sum(mask))
    return total / tf.maximum(count, 1.0)


def regression(actions: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean squared error of actions.

    Args:
      actions: (B, N, A), in units in which the bounds are -1 and 1.
      targets: (B, N, A), the same.
      mask: (B, N, A), 1 on real dimensions of living agents in rows that count.

    Returns:
      () sum over the mask of (a - target)^2 / how many it holds.
    """
    return masked_mean(tf.square(actions - targets), mask)


def cross_entropy(logits: tf.Tensor, actions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of -log softmax(logits)[action].

    Args:
      logits: (B, N, A), masked, so that only legal actions share the probability.
      actions: (B, N) int32.
      mask: (B, N), 1 for living agents in rows that count.

    Returns:
      ().
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=actions, logits=logits)
    return masked_mean(losses, mask)


def relative_weights(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """exp(score), scaled so that its mean where ``mask`` is 1 is 1; of any equal shape.

    What in-sample methods weigh rows by: a softmax over the batch, times its size.
    """
    largest = global_max(tf.reduce_max(tf.where(mask > 0, scores, -np.inf)))
    weights = tf.exp(tf.minimum(scores - largest, 0.0))
    return tf.math.divide_no_nan(weights, masked_mean(weights, mask))


def temporal_difference(q: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor) -> TemporalDifference:
    """Squared one-step error of twin critics.

    Args:
      q: (B, 2), Q_e(s, a).
      targets: (B,), r + gamma * min_e Q'_e(s', a'); no gradient flows into them.
      mask: (B,), 1 for rows that count.

    Returns:
      ``TemporalDifference`` with loss = sum_e mean_B (Q_e - y)^2.
    """
    errors = q - tf.stop_gradient(targets)[:, None]
    return TemporalDifference(
        loss=masked_mean(tf.reduce_sum(tf.square(errors), axis=-1), mask),
        error=masked_mean(tf.reduce_mean(tf.abs(errors), axis=-1), mask),
    )


def lambda_returns(
    rewards: tf.Tensor,
    discounts: tf.Tensor,
    next_values: tf.Tensor,
    follows: tf.Tensor,
    trace: float,
) -> tf.Tensor:
    """TD(lambda)'s targets along windows.

    ::

        G_t = r_t + d_t [ V_t+1 + lambda f_t (G_t+1 - V_t+1) ]

    Args:
      rewards: (B, T).
      discounts: (B, T), d: gamma, or 0 where the scenario ended.
      next_values: (B, T), V_t+1, the value of what followed row t.
      follows: (B, T), f: 1 where row t + 1 is of the same episode and in the window. At a
        time limit, or where a window ends, the return goes on with V alone.
      trace: lambda, 0..1.

    Returns:
      (B, T).
    """
    targets: list[tf.Tensor] = []
    later = next_values[:, -1]
    for t in reversed(range(rewards.shape[1])):
        value = next_values[:, t]
        onward = value + trace * follows[:, t] * (later - value)
        later = rewards[:, t] + discounts[:, t] * onward
        targets.append(later)
    return tf.stack(targets[::-1], axis=1)


def conservative_gap(
    q_samples: tf.Tensor,
    log_density: tf.Tensor,
    q_data: tf.Tensor,
    down: tf.Tensor,
    up: tf.Tensor,
) -> tf.Tensor:
    """CQL(H)'s gap: how far Q of all joint actions stands above Q of the logged one.

    log integral exp Q(s, a) da is estimated by importance sampling (Kumar et al. 2020,
    Appendix F): log mean_m exp(Q(s, a_m) - log density(a_m)).

    Args:
      q_samples: (R, M, K), Q_e(s, a_m) of M drawn joint actions by K critics.
      log_density: (R, M), log of the density (or chance) each was drawn from.
      q_data: (U, K), Q_e of logged joint actions: in CQL of the same rows, in COMBO of
        others.
      down: (R,), 1 for rows of ``q_samples`` that count.
      up: (U,), 1 for rows of ``q_data`` that count.

    Returns:
      () sum_e (mean_R [log mean_m exp(Q_e(s, a_m) - log density(a_m))] - mean_U Q_e(s, a)).
    """
    ratios = q_samples - log_density[..., None]
    count = math.log(q_samples.shape[1])
    values = tf.reduce_logsumexp(ratios, axis=1) - count
    pushed_down = masked_mean(tf.reduce_sum(values, axis=-1), down)
    return pushed_down - masked_mean(tf.reduce_sum(q_data, axis=-1), up)


def gaussian_log_density(noise: tf.Tensor, sigma: float, mask: tf.Tensor) -> tf.Tensor:
    """Log density of every agent's x = mean + sigma * noise.

    Args:
      noise: (..., N, A) standard normal draws.
      sigma: the standard deviation of x.
      mask: (N, A), 1 on real dimensions.

    Returns:
      (..., N) sum over real dimensions of -noise^2/2 - log(sigma) - log(2 pi)/2.
    """
    constant = math.log(sigma) + 0.5 * math.log(2.0 * math.pi)
    return -tf.reduce_sum((0.5 * tf.square(noise) + constant) * mask, axis=-1)
