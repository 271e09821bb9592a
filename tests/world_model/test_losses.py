"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.base import Forecast
from logo_tf.world_model.losses import (
    LOG_VARIANCE_RANGE,
    Masks,
    Targets,
    forecast_losses,
    gaussian_spread,
    reconstruction_error,
    squared_error,
    standard_deviation,
    weighted_mean,
)

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


def test_weighted_mean_broadcasts_and_survives_no_weight():
    values = tf.constant([[1.0, 2.0], [3.0, 6.0]])
    assert weighted_mean(values, tf.constant([[1.0], [3.0]])).numpy() == 30 / 8
    assert weighted_mean(values, tf.zeros((2, 1))).numpy() == 0


def test_squared_error_of_masked_dimensions():
    error = squared_error(
        tf.constant([[1.0, 5.0]]), tf.constant([[3.0, 100.0]]), tf.constant([[1.0, 0.0]])
    )
    assert error.numpy() == 4


def test_spread_is_the_gaussian_likelihood_and_spares_the_mean():
    mean, log_variance = tf.Variable([1.0]), tf.Variable([math.log(4.0)])
    with tf.GradientTape() as tape:
        loss = gaussian_spread(mean, log_variance, tf.constant([4.0]), tf.ones(1))
    # log 2 + (3 / 2)^2 / 2
    assert loss.numpy() == pytest.approx(HALF_LOG_TAU + math.log(2) + 9 / 8)
    of_mean, of_variance = tape.gradient(loss, [mean, log_variance])
    assert of_mean is None
    assert of_variance.numpy() == pytest.approx([0.5 * (1 - 9 / 4)])


def test_spread_stays_within_its_range():
    low, high = LOG_VARIANCE_RANGE
    got = standard_deviation(tf.constant([-100.0, 0.0, 100.0])).numpy()
    np.testing.assert_allclose(got, np.exp([low / 2, 0, high / 2]), rtol=1e-6)


def _forecast(**fields):
    zeros = Forecast(
        observations=tf.zeros((2, 2, 1)),
        observation_log_variance=tf.zeros((2, 2, 1)),
        state=tf.zeros((2, 2)),
        state_log_variance=tf.zeros((2, 2)),
        reward=tf.zeros(2),
        reward_log_variance=tf.zeros(2),
        termination_logit=tf.zeros(2),
        legal_logits=tf.zeros((2, 2, 2)),
        uncertainty=tf.zeros(2),
        memory=tf.zeros((2, 2, 0)),
    )
    return zeros._replace(**fields)


TARGETS = Targets(
    observations=tf.constant([[[0.0], [7.0]], [[0.0], [0.0]]]),
    state=tf.zeros((2, 2)),
    reward=tf.zeros(2),
    termination=tf.zeros(2),
    legal_actions=tf.ones((2, 2, 2)),
)


def test_forecasts_count_the_living_the_real_and_the_rows():
    # Two rows of two agents with one dimension; the second row is past the end.
    masks = Masks(
        rows=tf.constant([1.0, 0.0]),
        observations=tf.constant([[[1.0], [0.0]], [[1.0], [1.0]]]),  # agent 2 died in row 1
        agents=tf.ones((2, 2)),
        state=tf.ones(2),
        legal_actions=tf.constant([[1.0, 0.0], [1.0, 1.0]]),  # agent 1 has one action
    )
    forecast = _forecast(
        observations=tf.constant([[[1.0], [2.0]], [[9.0], [9.0]]]),
        legal_logits=tf.constant([[[0.0, 50.0], [math.log(3.0), 0.0]], [[9.0, 9.0], [9.0, 9.0]]]),
    )
    losses = forecast_losses(forecast, TARGETS, masks)
    assert losses["observations"].numpy() == 1
    assert losses["spread"].numpy() == pytest.approx(3 * HALF_LOG_TAU + 0.5)
    # -log sigmoid: log 2, log (4/3), log 2 over the three existing actions
    expected = (2 * math.log(2) + math.log(4 / 3)) / 3
    assert losses["legal_actions"].numpy() == pytest.approx(expected)


def test_rows_weigh_differently_for_the_state_the_reward_and_the_spreads():
    masks = Masks(
        rows=tf.constant([1.0, 2.0]),
        observations=tf.zeros((2, 2, 1)),
        agents=tf.ones((2, 2)),
        state=tf.constant([1.0, 0.0]),
        legal_actions=tf.zeros((2, 2)),
    )
    forecast = _forecast(
        state=tf.constant([[1.0, 8.0], [2.0, 8.0]]), reward=tf.constant([1.0, 3.0])
    )
    plain = forecast_losses(forecast, TARGETS, masks)
    assert plain["state"].numpy() == pytest.approx((1 + 2 * 4) / 3)
    assert plain["reward"].numpy() == pytest.approx((1 + 2 * 9) / 3)
    assert plain["termination"].numpy() == pytest.approx(math.log(2))
    assert plain["spread"].numpy() == pytest.approx(2 * HALF_LOG_TAU + (9 + 19) / 6)
    first, second = tf.constant([1.0, 0.0]), tf.constant([0.0, 1.0])
    split = forecast_losses(forecast, TARGETS, masks, first, second)
    assert split["state"].numpy() == 4
    assert split["reward"].numpy() == 1
    assert split["spread"].numpy() == pytest.approx(2 * HALF_LOG_TAU + (4 + 9) / 2)


def test_reconstruction_skips_the_dead_and_padding():
    masks = Masks(
        tf.ones(1),
        tf.constant([[[1.0], [0.0]]]),
        tf.ones((1, 2)),
        tf.ones(1),
        tf.zeros((2, 0)),
    )
    got = reconstruction_error(
        tf.constant([[[1.0, 5.0], [7.0, 7.0]]]),
        tf.zeros((1, 2, 2)),
        tf.constant([[1.0, 0.0], [1.0, 1.0]]),
        masks,
    )
    assert got.numpy() == 1
