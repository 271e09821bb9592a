"""Adam and its schedule against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.optimizer import Adam, learning_rate


def test_two_steps_by_hand():
    weight = tf.Variable([1.0])
    adam = Adam([weight], clip_norm=100.0)
    adam.apply([tf.constant([2.0])], tf.constant(0), tf.constant(0.1))
    assert weight.numpy() == pytest.approx([0.9], abs=1e-6)  # the first step has size lr
    adam.apply([tf.constant([0.0])], tf.constant(1), tf.constant(0.1))
    first = 0.9 * 0.2 / (1 - 0.9**2)
    second = 0.999 * 0.004 / (1 - 0.999**2)
    assert weight.numpy() == pytest.approx([0.9 - 0.1 * first / second**0.5], abs=1e-5)


def test_gradients_are_clipped_one_by_one_and_may_be_missing():
    small, large, idle = tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0]), tf.Variable([5.0])
    adam = Adam([small, large, idle], clip_norm=1.0)
    adam.apply(
        [tf.constant([0.3, 0.4]), tf.constant([30.0, 40.0]), None],
        tf.constant(0),
        tf.constant(0.1),
    )
    np.testing.assert_allclose(adam.first[0], [0.03, 0.04], rtol=1e-5)
    np.testing.assert_allclose(adam.first[1], [0.06, 0.08], rtol=1e-5)
    assert idle.numpy() == 5


def test_rises_then_falls_as_a_cosine():
    rates = [float(learning_rate(tf.constant(s), 110, 1.0, 10, 0.1)) for s in (0, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.55, 0.1])
