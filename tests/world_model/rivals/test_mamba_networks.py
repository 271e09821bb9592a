"""The latents of the MAMBA rival against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.world_model.rivals.mamba_networks import (
    Attention,
    balanced_divergence,
    probabilities,
    straight_through,
)


def test_divergence_by_hand():
    posterior = np.log([[[0.5, 0.5], [0.9, 0.1]]]).astype(np.float32)
    prior = np.log([[[0.25, 0.75], [0.9, 0.1]]]).astype(np.float32)
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    found = balanced_divergence(tf.constant(posterior), tf.constant(prior))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_most_of_the_divergence_moves_the_prior():
    """d KL / d prior's logits = p - q; d KL / d posterior's by hand for two classes."""
    q, p = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    posterior = tf.Variable(np.log(q)[None], dtype=tf.float32)
    prior = tf.Variable(np.log(p)[None], dtype=tf.float32)
    with tf.GradientTape() as tape:
        divergence = balanced_divergence(posterior, prior)
    of_posterior, of_prior = tape.gradient(divergence, [posterior, prior])
    ratio = np.log(q / p)
    np.testing.assert_allclose(of_prior[0], 0.8 * (p - q), rtol=1e-5)
    np.testing.assert_allclose(of_posterior[0], 0.2 * q * (ratio - q @ ratio), rtol=1e-5)


def test_draws_are_one_hot_and_pass_the_gradient_of_probabilities():
    logits = tf.Variable([[[[0.0, 1.0, 2.0]]]])
    with tf.GradientTape(persistent=True) as tape:
        drawn = straight_through(logits, tf.constant([[[[5.0, 0.0, 0.0]]]]))
        first = drawn[0, 0, 0]
        soft = probabilities(logits)[0, 0, 0]
    np.testing.assert_allclose(drawn, [[[1.0, 0.0, 0.0]]], atol=1e-6)
    np.testing.assert_allclose(tape.gradient(first, logits), tape.gradient(soft, logits))


def test_attention_takes_the_mean_of_the_living_where_all_keys_are_alike():
    """With zero queries every living agent weighs the same, and values are what remains."""
    attention = Attention(width=4, heads=2, seed=0)
    inputs = tf.constant(np.random.default_rng(0).normal(size=(1, 3, 4)), tf.float32)
    alive = tf.constant([[1.0, 0.0, 1.0]])
    attention(inputs, alive)
    values_alone = tf.concat([tf.zeros((4, 8)), tf.eye(4)], axis=1)
    attention.project.kernel.assign(values_alone)
    attention.out.kernel.assign(tf.eye(4))
    normed = attention.norm(inputs).numpy()
    expected = inputs.numpy() + (normed[:, :1] + normed[:, 2:]) / 2
    np.testing.assert_allclose(attention(inputs, alive), expected, rtol=1e-5, atol=1e-6)
