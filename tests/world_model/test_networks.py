"""Layers against their sums, done by hand."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.networks import AgentDense, Heads, Trunk, activation_of, dense


def test_each_agent_has_a_layer_of_its_own():
    layer = AgentDense(3, 2, seed=1, name="heads")
    inputs = tf.random.stateless_normal((4, 3, 5), (1, 2))
    outputs = tf.reshape(layer(tf.reshape(inputs, (12, 5))), (4, 3, 2))
    layer.bias.assign(tf.reshape(tf.range(6.0), (3, 1, 2)))
    shifted = tf.reshape(layer(tf.reshape(inputs, (12, 5))), (4, 3, 2))
    for agent in range(3):
        by_hand = inputs[:, agent].numpy() @ layer.kernel.numpy()[agent]
        np.testing.assert_allclose(outputs[:, agent], by_hand, rtol=1e-5, atol=1e-6)
        bias = np.array([2 * agent, 2 * agent + 1])
        np.testing.assert_allclose(shifted[:, agent], by_hand + bias, rtol=1e-5, atol=1e-6)


def test_agents_layers_begin_as_wide_as_one_layer_would():
    """Glorot's range depends on the layer's sizes, not on how many agents there are."""
    many = AgentDense(27, 60, seed=1, name="heads", scale=0.1)
    many.build((None, 40))
    one = dense(60, None, 1, "head", scale=0.1)
    one.build((None, 40))
    limit = np.sqrt(3 * 0.1 / 50)
    for layer in (many, one):
        assert 0.95 * limit < np.abs(layer.kernel.numpy()).max() <= limit


def test_variances_train_no_features():
    heads = Heads(8, 1, "silu", means=2, spreads=3, seed=1, name="heads")
    inputs = tf.random.stateless_normal((4, 5), (1, 2))
    with tf.GradientTape() as tape:
        mean, spread = heads(inputs)
        loss = tf.reduce_sum(spread)
    assert mean.shape == (4, 2)
    assert spread.shape == (4, 3)
    moved = tape.gradient(loss, heads.trainable_variables)
    of_spread = {id(weight) for weight in heads.spread.trainable_variables}
    for weight, gradient in zip(heads.trainable_variables, moved, strict=True):
        assert (gradient is not None) == (id(weight) in of_spread), weight.path


ACTIVATIONS = ["relu", "silu", "elu", "gelu"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_what_its_name_says(name):
    x = tf.linspace(-30.0, 30.0, 601)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours, theirs = activation_of(name)(x), keras.activations.get(name)(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    slopes = [tape.gradient(values, x) for values in (ours, theirs)]
    np.testing.assert_allclose(*slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_traced_graph_is_freed(name):
    """Else each training in one process would keep its dataset in memory for good."""
    trunk = Trunk(4, 2, name, 0, "trunk")

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(trunk(x))
        return tape.gradient(y, x)

    graph = weakref.ref(slope.get_concrete_function(tf.TensorSpec((2, 3))).graph)
    del slope
    gc.collect()
    assert graph() is None
