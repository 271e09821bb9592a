import math

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.losses import (
    conservative_gap,
    cross_entropy,
    gaussian_log_density,
    lambda_returns,
    masked_mean,
    regression,
    relative_weights,
    temporal_difference,
)


def test_masked_mean_counts_only_the_mask():
    values = tf.constant([1.0, 3.0, 100.0])
    assert float(masked_mean(values, tf.constant([1.0, 1.0, 0.0]))) == 2.0
    assert float(masked_mean(values, tf.zeros(3))) == 0.0


def test_regression_by_hand():
    actions = tf.constant([[[1.0, 5.0]], [[0.0, 0.0]]])
    targets = tf.constant([[[0.0, 2.0]], [[9.0, 9.0]]])
    mask = tf.constant([[[1.0, 1.0]], [[0.0, 0.0]]])
    assert float(regression(actions, targets, mask)) == pytest.approx((1 + 9) / 2)


def test_cross_entropy_by_hand():
    logits = tf.constant([[[0.0, 0.0, -1e9], [0.0, 0.0, 0.0]]])
    actions = tf.constant([[1, 2]])
    both = float(cross_entropy(logits, actions, tf.ones((1, 2))))
    assert both == pytest.approx((math.log(2) + math.log(3)) / 2, rel=1e-6)
    first = float(cross_entropy(logits, actions, tf.constant([[1.0, 0.0]])))
    assert first == pytest.approx(math.log(2), rel=1e-6)


def test_temporal_difference_by_hand():
    q = tf.constant([[1.0, 2.0], [4.0, 0.0], [50.0, 50.0]])
    targets = tf.constant([0.0, 2.0, 0.0])
    terms = temporal_difference(q, targets, tf.constant([1.0, 1.0, 0.0]))
    assert float(terms.loss) == pytest.approx(((1 + 4) + (4 + 4)) / 2)
    assert float(terms.error) == pytest.approx(((1 + 2) / 2 + (2 + 2) / 2) / 2)


def test_no_gradient_flows_into_targets():
    targets = tf.Variable([1.0])
    with tf.GradientTape() as tape:
        loss = temporal_difference(tf.constant([[0.0, 0.0]]), targets * 1.0, tf.ones(1)).loss
    assert tape.gradient(loss, targets) is None


def test_conservative_gap_by_hand():
    # One row, two draws of densities 1/2 and 1/4: log mean(e^0 * 2, e^log2 * 4) = log 5.
    q_samples = tf.constant([[[0.0, 0.0], [math.log(2), math.log(2)]]])
    log_density = tf.constant([[math.log(0.5), math.log(0.25)]])
    q_data = tf.constant([[1.0, 0.0]])
    gap = conservative_gap(q_samples, log_density, q_data, tf.ones(1), tf.ones(1))
    assert float(gap) == pytest.approx((math.log(5) - 1.0) + math.log(5), rel=1e-5)


def test_conservative_gap_estimates_the_integral():
    # Q = a on [-1, 1]: log integral exp(a) da = log(e - 1/e), whatever the density.
    rng = np.random.default_rng(0)
    draws = np.concatenate([rng.uniform(-1, 1, 200_000), rng.uniform(0, 1, 200_000)])
    density = np.where(draws < 0, 0.25, 0.75)  # of the mixture of both
    gap = conservative_gap(
        tf.constant(draws.reshape(1, -1, 1).repeat(2, -1), tf.float32),
        tf.constant(np.log(density).reshape(1, -1), tf.float32),
        tf.zeros((1, 2)),
        tf.ones(1),
        tf.ones(1),
    )
    assert float(gap) / 2 == pytest.approx(math.log(math.e - 1 / math.e), abs=0.01)


def test_conservative_gap_leaves_masked_rows_out():
    q_samples = tf.constant([[[0.0, 0.0]], [[99.0, 99.0]]])
    mask = tf.constant([1.0, 0.0])
    q_data = tf.constant([[0.0, 0.0], [7.0, 7.0]])
    assert float(conservative_gap(q_samples, tf.zeros((2, 1)), q_data, mask, mask)) == 0.0


def test_conservative_gap_of_other_rows_by_hand():
    """Down log mean(1, 3) and log mean(5, 5), up 1 and 4."""
    q_samples = tf.math.log([[[1.0], [3.0]], [[5.0], [5.0]]])
    q_data = tf.constant([[1.0], [2.0], [4.0]])
    gap = conservative_gap(
        q_samples, tf.zeros((2, 2)), q_data, tf.ones(2), tf.constant([1.0, 0.0, 1.0])
    )
    assert float(gap) == pytest.approx((math.log(2) + math.log(5)) / 2 - 2.5, rel=1e-6)


def test_gaussian_log_density_by_hand():
    noise = tf.constant([[1.0, 77.0], [2.0, 0.0]])
    mask = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    scale = math.log(0.5) + 0.5 * math.log(2 * math.pi)
    found = gaussian_log_density(noise, 0.5, mask)
    np.testing.assert_allclose(found, [-0.5 - scale, -2.0 - 2 * scale], rtol=1e-6)


def test_lambda_returns_by_hand():
    """V = 10 and 20, discount .5: G_1 = 2 + .5 * 20 = 12, G_0 = 1 + .5 (10 + l (12 - 10))."""
    rewards, discounts = tf.constant([[1.0, 2.0]]), tf.constant([[0.5, 0.5]])
    values = tf.constant([[10.0, 20.0]])
    follows = tf.constant([[1.0, 0.0]])
    for trace, first in ((0.0, 6.0), (0.5, 6.5), (1.0, 7.0)):
        returns = lambda_returns(rewards, discounts, values, follows, trace)
        np.testing.assert_allclose(returns, [[first, 12.0]])


def test_lambda_returns_stop_where_an_episode_does():
    """After a time limit nothing follows but V; after an ending not even that."""
    rewards, values = tf.constant([[1.0, 2.0]]), tf.constant([[10.0, 20.0]])
    nothing = tf.zeros((1, 2))
    limit = lambda_returns(rewards, tf.fill((1, 2), 0.5), values, nothing, 1.0)
    np.testing.assert_allclose(limit, [[6.0, 12.0]])
    ended = lambda_returns(rewards, tf.constant([[0.0, 0.5]]), values, nothing, 1.0)
    np.testing.assert_allclose(ended, [[1.0, 12.0]])


def test_relative_weights_are_a_softmax_times_its_size():
    scores = tf.constant([[0.0, np.log(3.0)], [1e6, 0.0]])
    mask = tf.constant([[1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(relative_weights(scores, mask)[0], [0.5, 1.5], rtol=1e-6)
    assert np.isfinite(relative_weights(scores, mask)).all()
    assert not relative_weights(scores, tf.zeros((2, 2))).numpy().any()
