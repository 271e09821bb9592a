"""The world model's losses, Eqs. 2 to 4: pure functions of predictions, targets and masks.

All values are in standardised units. Rows of weight 0 (past an episode's end), padding,
constant dimensions and dead agents change neither a loss nor a gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from logo_tf.world_model.deductive import DeductiveOutput
from logo_tf.world_model.local import LocalOutput
from logo_tf.world_model.supervision import Masks, Targets

tfd = tfp.distributions

# The floor keeps exactly predictable dimensions from pulling their variance to zero.
LOG_VARIANCE_RANGE = (-9.0, 3.0)


class LocalLosses(NamedTuple):
    """Eq. 2's first term in its parts: scalars."""

    observations: tf.Tensor
    legal_actions: tf.Tensor
    spread: tf.Tensor


class DeductiveLosses(NamedTuple):
    """Eq. 3's first term in its parts: scalars."""

    state: tf.Tensor
    reward: tf.Tensor
    termination: tf.Tensor
    spread: tf.Tensor


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean of values under weights of a shape that broadcasts; 0 where all weights are 0."""
    weights = tf.broadcast_to(weights, tf.shape(values))
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def squared_error(prediction: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Masked mean squared error, a scalar."""
    return weighted_mean(tf.math.squared_difference(prediction, target), mask)


def local_losses(
    prediction: LocalOutput, observations: tf.Tensor, targets: Targets, masks: Masks
) -> LocalLosses:
    """The prediction terms of Eq. 2.

    The mean is trained by squared error and the variance by the Gaussian likelihood
    given that mean: learning both at once loses accuracy on nearly exact dimensions.

    Args:
      prediction: what E_p says.
      observations: (B, N, O) its ô'.
      targets: what happened.
      masks: what counts.
    """
    seen = masks.observations * masks.rows[:, None, None]
    legal = masks.legal_actions * (masks.agents * masks.rows[:, None])[..., None]
    crossentropy = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=targets.legal_actions, logits=prediction.legal_logits
    )
    return LocalLosses(
        observations=squared_error(observations, targets.observations, seen),
        legal_actions=weighted_mean(crossentropy, legal),
        spread=gaussian_spread(observations, prediction.log_variance, targets.observations, seen),
    )


def deductive_losses(
    prediction: DeductiveOutput,
    deduced: tf.Tensor,
    returned: tf.Tensor,
    targets: Targets,
    masks: Masks,
    spread_rows: tf.Tensor,
) -> DeductiveLosses:
    """The prediction terms of Eq. 3, on s', r and the ending.

    Args:
      prediction: what E_d says.
      deduced: (B, S) s̄'.
      returned: (B, S) the state that a step returns, whose spread is learned.
      targets: what happened.
      masks: what counts.
      spread_rows: (B,) weight of each row for the spreads.
    """
    dims = masks.rows[:, None] * masks.state
    spread_dims = spread_rows[:, None] * masks.state
    ended = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=targets.termination, logits=prediction.termination_logit
    )
    spread = gaussian_spread(returned, prediction.state_log_variance, targets.state, spread_dims)
    spread += gaussian_spread(
        prediction.reward, prediction.reward_log_variance, targets.reward, spread_rows
    )
    return DeductiveLosses(
        state=squared_error(deduced, targets.state, dims),
        reward=squared_error(prediction.reward, targets.reward, masks.rows),
        termination=weighted_mean(ended, masks.rows),
        spread=spread,
    )


def decoded_error(decoded: tf.Tensor, targets: Targets, masks: Masks) -> tf.Tensor:
    """How far D_d's o' (B, N, O) are from the real ones: second term of Eq. 3, and Eq. 4."""
    seen = masks.observations * masks.rows[:, None, None]
    return squared_error(decoded, targets.observations, seen)


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
