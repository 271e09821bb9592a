"""What follows from predicted legal actions."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.world_model.protocol import next_agent_mask, next_legal


def test_an_agent_always_has_its_likeliest_action(discrete_spec):
    probability = tf.constant([[[0.1, 0.9, 0.6, 0.2], [0.1, 0.2, 0.4, 0.3], [0.9, 0.1, 0.1, 0.1]]])
    legal = next_legal(probability, discrete_spec)
    expected = [[[0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]]
    np.testing.assert_array_equal(legal, np.array(expected, bool))


def test_agents_with_the_noop_alone_are_dead(discrete_spec):
    legal = tf.constant([[[True, False, False, False], [False, True, False, False], [True] * 4]])
    np.testing.assert_array_equal(next_agent_mask(legal, discrete_spec), [[0, 1, 1]])


def test_continuous_actions_have_no_mask(continuous_spec):
    legal = next_legal(tf.zeros((5, 2, 0)), continuous_spec)
    assert legal.shape == (5, 2, 0)
    assert legal.dtype == tf.bool
    np.testing.assert_array_equal(next_agent_mask(legal, continuous_spec), np.ones((5, 2)))
