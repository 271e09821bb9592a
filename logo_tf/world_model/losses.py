"""The world model's losses, Eqs. 2 to 4: pure functions of predictions, targets and masks.

All values are in standardised units. Rows of weight 0 (past an episode's end), padding,
constant dimensions and dead agents change neither a loss nor a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tensorflow_probability as tfp

from logo_tf.replicas import global_sums
from logo_tf.world_model.supervision import Masks, Targets

if TYPE_CHECKING:
    from logo_tf.world_model.base import Forecast

tfd = tfp.distributions

# The floor keeps exactly predictable dimensions from pulling their variance to zero.
LOG_VARIANCE_RANGE = (-9.0, 3.0)


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean of values under weights of a shape that broadcasts; 0 where all weights are 0.

    Where several replicas share a batch it is that of all their rows.
    """
    weights = tf.broadcast_to(weights, tf.shape(values))
    total, weight = global_sums(tf.reduce_sum(values * weights), tf.reduce_sum(weights))
    return tf.math.divide_no_nan(total, weight)


def squared_error(prediction: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Masked mean squared error, a scalar."""
    return weighted_mean(tf.math.squared_difference(prediction, target), mask)


def forecast_losses(
    forecast: Forecast,
    targets: Targets,
    masks: Masks,
    deductive_rows: tf.Tensor | None = None,
    returned_rows: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """How wrong a forecast is, part by part: for LOGO the first terms of Eqs. 2 and 3.

    Means are trained by squared error and variances by the Gaussian likelihood given
    those means: learning both at once loses accuracy on nearly exact dimensions.

    Args:
      forecast: (B, ...) of any world model.
      targets: what happened.
      masks: what counts.
      deductive_rows: (B,) weight of each row for the reward and the ending;
        ``masks.rows`` by default.
      returned_rows: (B,) likewise, for states, observations and all spreads.

    Returns:
      Scalars: ``observations``, ``legal_actions``, ``state``, ``reward``, ``termination``
      and ``spread``, which is the sum of three.
    """
    deductive_rows = masks.rows if deductive_rows is None else deductive_rows
    returned_rows = masks.rows if returned_rows is None else returned_rows
    seen = masks.observations * returned_rows[:, None, None]
    predicted = returned_rows[:, None] * masks.state
    legal = masks.legal_actions * (masks.agents * masks.rows[:, None])[..., None]
    crossentropy = tf.nn.sigmoid_cross_entropy_with_logits
    may = crossentropy(labels=targets.legal_actions, logits=forecast.legal_logits)
    ended = crossentropy(labels=targets.termination, logits=forecast.termination_logit)
    spreads = (
        (forecast.observations, forecast.observation_log_variance, targets.observations, seen),
        (forecast.state, forecast.state_log_variance, targets.state, predicted),
        (forecast.reward, forecast.reward_log_variance, targets.reward, returned_rows),
    )
    return {
        "observations": squared_error(forecast.observations, targets.observations, seen),
        "legal_actions": weighted_mean(may, legal),
        "state": squared_error(forecast.state, targets.state, predicted),
        "reward": squared_error(forecast.reward, targets.reward, deductive_rows),
        "termination": weighted_mean(ended, deductive_rows),
        "spread": tf.add_n([gaussian_spread(*spread) for spread in spreads]),
    }


def weigh(named: dict[str, tf.Tensor], weights: dict[str, float]) -> tf.Tensor:
    """Weighted sum of the named losses, a scalar; what is not in ``weights`` weighs 1."""
    return tf.add_n([weights.get(name, 1.0) * value for name, value in named.items()])


def observation_error(observations: tf.Tensor, targets: Targets, masks: Masks) -> tf.Tensor:
    """How far o' (B, N, O), E_p's or D_d's, are from the real ones: in Eqs. 2, 3 and 4."""
    seen = masks.observations * masks.rows[:, None, None]
    return squared_error(observations, targets.observations, seen)


def reconstruction_error(
    reconstruction: tf.Tensor, inputs: tf.Tensor, input_mask: tf.Tensor, masks: Masks
) -> tf.Tensor:
    """Second term of Eq. 2: how far D_p's (B, N, O + A) are from what E_p saw.

    Args:
      reconstruction: what D_p says.
      inputs: (B, N, O + A) what E_p saw of the agent.
      input_mask: (N, O + A) what of it is not padding.
      masks: what counts; agents that died saw nothing to reconstruct from.
    """
    lived = tf.reduce_max(masks.observations, axis=-1) * masks.rows[:, None]
    return squared_error(reconstruction, inputs, input_mask * lived[..., None])


def gaussian_spread(
    mean: tf.Tensor, log_variance: tf.Tensor, target: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Masked Gaussian negative log-likelihood per dimension; no gradient reaches the mean."""
    normal = tfd.Normal(tf.stop_gradient(mean), standard_deviation(log_variance))
    return weighted_mean(-normal.log_prob(target), mask)


def standard_deviation(log_variance: tf.Tensor) -> tf.Tensor:
    """The spread a variance head means, kept within ``LOG_VARIANCE_RANGE``."""
    low, high = LOG_VARIANCE_RANGE
    return tf.exp(0.5 * tf.clip_by_value(log_variance, low, high))
