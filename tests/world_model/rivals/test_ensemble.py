"""The ensemble: bootstraps that differ and persist, elites, routing, penalties."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.config import EnsembleConfig
from logo_tf.world_model.rivals.ensemble import bootstrap_weights


@pytest.fixture
def ensemble(any_model):
    return any_model("continuous", kind="ensemble", ensemble=EnsembleConfig(members=3, elites=2))


@pytest.fixture
def arguments(window):
    batch, _ = window("continuous")
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    return first.state, first.observations, first.actions, first.agent_mask


def other(ensemble, any_model, **settings):
    """The same weights under other settings."""
    config = dataclasses.replace(ensemble.config.ensemble, **settings)
    return any_model("continuous", kind="ensemble", ensemble=config)


def test_bootstraps_are_poisson_differ_and_persist():
    states = tf.random.stateless_normal((20_000, 5), (1, 2))
    first, second = bootstrap_weights(states, 1).numpy(), bootstrap_weights(states, 2).numpy()
    for weights in (first, second):  # Poisson(1): mean and variance 1, P(0) = 1/e
        assert weights.mean() == pytest.approx(1, abs=0.05)
        assert weights.var() == pytest.approx(1, abs=0.06)
        assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    order = np.random.default_rng(0).permutation(len(first))
    np.testing.assert_array_equal(bootstrap_weights(tf.gather(states, order), 1), first[order])
    windows = tf.reshape(states, (100, 200, 5))
    np.testing.assert_array_equal(bootstrap_weights(windows, 1).numpy().ravel(), first)


def test_neighbouring_states_are_drawn_apart():
    states = tf.constant(np.arange(20_000, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32))
    weights = bootstrap_weights(states, 7).numpy()
    assert abs(np.corrcoef(weights[:-1], weights[1:])[0, 1]) < 0.03


def test_each_row_is_predicted_by_one_elite(ensemble, arguments):
    assert ensemble.routes == 2
    prediction = ensemble.step(*arguments)
    each = [member.step(*arguments).state.numpy() for member in ensemble.members()]
    for row in range(6):
        np.testing.assert_allclose(prediction.state[row], each[row % 2][row], atol=1e-6)


def test_mean_propagation(ensemble, any_model, arguments):
    prediction = other(ensemble, any_model, propagation="mean").step(*arguments)
    assert other(ensemble, any_model, propagation="mean").routes == 1
    each = [member.step(*arguments) for member in ensemble.members()[:2]]
    np.testing.assert_allclose(prediction.reward, (each[0].reward + each[1].reward) / 2, rtol=1e-4)
    for name in ("reward", "state"):  # variance of a mixture: the mean one, and that of the means
        apart = np.square(getattr(each[0], name) - getattr(each[1], name)) / 4
        own = [np.square(getattr(one, f"{name}_std")) for one in each]
        expected = np.sqrt(np.mean(own, axis=0) + apart)
        np.testing.assert_allclose(getattr(prediction, f"{name}_std"), expected, rtol=1e-4)


def test_the_best_members_come_first(ensemble, arguments):
    before = [member.step(*arguments).reward.numpy() for member in ensemble.members()]
    ensemble.select(np.array([3.0, 1.0, 2.0]))
    after = [member.step(*arguments).reward.numpy() for member in ensemble.members()]
    for k, was in enumerate((1, 2, 0)):
        np.testing.assert_allclose(after[k], before[was])


def test_penalties_by_hand(ensemble, any_model, arguments):
    scaling = ensemble.scaling
    dims = scaling.state_mask > 0
    states = np.stack(
        [
            scaling.state(member.step(*arguments).state).numpy()[:, dims]
            for member in ensemble.members()
        ]
    )
    deviation = np.sqrt(states.var(axis=0).mean(axis=-1))
    np.testing.assert_allclose(ensemble.step(*arguments).uncertainty, deviation, rtol=1e-3)
    gaps = [
        np.sqrt(np.square(states[i] - states[j]).mean(axis=-1)) for i in range(3) for j in range(i)
    ]
    pairwise = other(ensemble, any_model, penalty="pairwise").step(*arguments).uncertainty
    np.testing.assert_allclose(pairwise, np.max(gaps, axis=0), rtol=1e-3)
    aleatoric = other(ensemble, any_model, penalty="aleatoric").step(*arguments).uncertainty
    spreads = [member.step(*arguments).uncertainty for member in ensemble.members()]
    np.testing.assert_allclose(aleatoric, np.max(spreads, axis=0), rtol=1e-5)


def test_bootstrapped_losses_are_the_members_own(ensemble, any_model, window):
    batch, mask = window("continuous")
    plain = other(ensemble, any_model, bootstrap="none")
    each = [member.losses(batch, mask, 2)["loss"] for member in plain.members()]
    np.testing.assert_allclose(plain.losses(batch, mask, 2)["loss"], np.sum(each), rtol=1e-5)
    assert not np.allclose(ensemble.losses(batch, mask, 2)["loss"], np.sum(each))
