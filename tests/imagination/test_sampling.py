"""Weights and rewards of the samplers, worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.imagination.sampling import (
    SAMPLERS,
    effective_sample_size,
    make_sampler,
    masked_median,
    relative,
)

U = tf.constant([1.0, 2.0, 9.0, 4.0])  # median 3


def test_relative_to_the_median():
    np.testing.assert_allclose(relative(U), [1 / 3, 2 / 3, 3, 4 / 3])
    np.testing.assert_allclose(relative(tf.constant([5.0, 1.0, 2.0])), [2.5, 0.5, 1])
    np.testing.assert_array_equal(relative(tf.zeros(3)), np.zeros(3))
    assert relative(tf.zeros(0)).shape == (0,)


def test_medians_of_what_counts():
    values = tf.constant([[5.0, 1.0, 9.0, 2.0], [5.0, 1.0, 9.0, 2.0], [5.0, 1.0, 9.0, 2.0]])
    counts = tf.constant([[True] * 4, [True, True, False, True], [False, False, True, False]])
    np.testing.assert_array_equal(masked_median(values, counts), [3.5, 2.0, 9.0])


def test_uncertainty_is_truncated():
    sampler = make_sampler(ImaginationConfig(truncation=2.0))
    np.testing.assert_allclose(sampler.log_weights(U), [5 / 3, 4 / 3, 0, 2 / 3], rtol=1e-6)
    np.testing.assert_array_equal(sampler.rewards(U, U), U)


def test_temperature_sharpens_and_flattens():
    sharp = make_sampler(ImaginationConfig(truncation=2.0, temperature=0.5))
    np.testing.assert_allclose(sharp.log_weights(U), [10 / 3, 8 / 3, 0, 4 / 3], rtol=1e-6)
    flat = make_sampler(ImaginationConfig(truncation=2.0, temperature=1e6))
    np.testing.assert_allclose(tf.nn.softmax(flat.log_weights(U)), np.full(4, 0.25), rtol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_larger_u_never_weighs_more_nor_earns_more(name):
    sampler = make_sampler(ImaginationConfig(sampler=name, temperature=0.3))
    u = tf.sort(tf.random.stateless_uniform((50,), (1, 2)))
    rewards = tf.tile([1.0, 3.0], [25])
    assert (np.diff(sampler.log_weights(u)) <= 0).all()
    assert (np.diff(rewards - sampler.rewards(rewards, u)) >= -1e-6).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_order_of_rows_does_not_matter(name):
    sampler = make_sampler(ImaginationConfig(sampler=name))
    u, rewards = tf.random.stateless_uniform((2, 9), (1, 2))
    order = np.random.default_rng(0).permutation(9)
    mixed_u, mixed_rewards = tf.gather(u, order), tf.gather(rewards, order)
    np.testing.assert_allclose(
        sampler.log_weights(mixed_u), tf.gather(sampler.log_weights(u), order), rtol=1e-5
    )
    np.testing.assert_allclose(
        sampler.rewards(mixed_rewards, mixed_u),
        tf.gather(sampler.rewards(rewards, u), order),
        rtol=1e-5,
    )


def test_uniform_and_penalty_weigh_alike():
    for name in ("uniform", "penalty"):
        sampler = make_sampler(ImaginationConfig(sampler=name))
        np.testing.assert_array_equal(sampler.log_weights(U), np.zeros(4))


def test_penalty_lowers_rewards():
    sampler = make_sampler(ImaginationConfig(sampler="penalty", penalty=0.5))
    rewards = tf.constant([1.0, 3.0, 1.0, 3.0])  # standard deviation 1
    np.testing.assert_allclose(
        sampler.rewards(rewards, U), [1 - 1 / 6, 3 - 1 / 3, 1 - 1.5, 3 - 2 / 3], rtol=1e-5
    )
    np.testing.assert_array_equal(
        make_sampler(ImaginationConfig(sampler="uniform")).rewards(rewards, U), rewards
    )


def test_effective_sample_size():
    assert effective_sample_size(tf.ones(5)).numpy() == 5
    assert effective_sample_size(tf.constant([3.0, 1.0])).numpy() == pytest.approx(1.6)
    assert effective_sample_size(tf.zeros(3)).numpy() == 0


def test_unknown_samplers_are_refused():
    config = dataclasses.replace(ImaginationConfig(), sampler="uncertain")
    with pytest.raises(LogoError, match="did you mean 'uncertainty'"):
        make_sampler(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"truncation": -1.0}, "truncation must not be negative"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"share": 1.0}, "share must be at least 0 and below 1"),
    ],
)
def test_refused_settings(settings, message):
    with pytest.raises(LogoError, match=message):
        ImaginationConfig(**settings)
