"""Temperatures: by hand, and on the prediction."""

from __future__ import annotations

import types

import numpy as np
import pytest

from logo_tf.data.standardisation import standardisation
from logo_tf.world_model import temperature
from logo_tf.world_model.judging.dimensions import varying
from logo_tf.world_model.judging.foresight import draw_windows, foresee
from logo_tf.world_model.judging.likelihood import Residuals, gaussian_nll, residuals_of
from logo_tf.world_model.temperature import Temperature, fit_temperature


def _residuals(model, dataset):
    units = standardisation(dataset)
    seen = foresee(model, draw_windows(dataset, None, 1, 999, seed=0))
    return residuals_of(seen, units, varying(units, dataset.spec))


def test_the_factor_is_the_likeliest(datasets, tiny_model, monkeypatch):
    """sqrt((sum of squares + 10) / (rows + 10)); without the 10, the highest likelihood."""
    for kind, dataset in datasets.items():
        model = tiny_model(kind)
        before = _residuals(model, dataset)
        fit_temperature(model, dataset, None, seed=0)
        state = before["state"]
        squares = np.square(state.error / state.sigma).sum(0)
        np.testing.assert_allclose(
            model.temperature.state, np.sqrt((squares + 10) / (160 + 10)), rtol=1e-5
        )
        monkeypatch.setattr(temperature, "_PRIOR", 1e-9)
        fit_temperature(model, dataset, None, seed=0)
        after = _residuals(model, dataset)
        for name, now in after.items():
            np.testing.assert_array_equal(now.error, before[name].error)
            best = gaussian_nll(now)
            assert best <= gaussian_nll(before[name])
            for factor in (0.8, 1.25):
                assert best < gaussian_nll(now._replace(sigma=now.sigma * factor))
        # fitted anew, not on top
        once = model.temperature.state.numpy()
        fit_temperature(model, dataset, None, seed=0)
        np.testing.assert_allclose(model.temperature.state, once, rtol=1e-6)
        monkeypatch.undo()


def test_factors_that_one_half_of_the_episodes_denies_the_other_are_left_out(monkeypatch):
    """State errors are of 2 sigmas everywhere, observations' of .1 or of 4 by episode."""
    dealt = np.repeat([0, 1, 2, 3], 500)
    spec = types.SimpleNamespace(state_dim=1, num_agents=1, observation_dim=1)
    model = types.SimpleNamespace(temperature=Temperature(spec), context=0)
    monkeypatch.setattr(temperature, "draw_windows", lambda *a: None)
    monkeypatch.setattr(temperature, "standardisation", lambda *a: None)
    monkeypatch.setattr(temperature, "varying", lambda *a: None)
    seen = types.SimpleNamespace(episodes=dealt)
    monkeypatch.setattr(temperature, "foresee", lambda *a: seen)
    sizes = {"state": [2, 2, 2, 2], "observation": [0.1, 4, 0.1, 4], "reward": [1, 1, 1, 1]}
    shapes = {"state": (2000, 1), "observation": (2000, 1, 1), "reward": (2000,)}
    residuals = {
        name: Residuals(
            np.repeat(size, 500).reshape(shapes[name]), np.ones(shapes[name]), np.ones(shapes[name])
        )
        for name, size in sizes.items()
    }
    monkeypatch.setattr(temperature, "residuals_of", lambda *a: residuals)
    fit_temperature(model, types.SimpleNamespace(spec=spec), None, seed=0)
    assert model.temperature.state.numpy()[0] == pytest.approx(2, rel=0.01)
    assert model.temperature.observations.numpy()[0, 0] == 1  # sqrt(8) by the formula
    assert model.temperature.reward.numpy() == 1


def test_one_held_out_episode_is_enough(datasets, tiny_model):
    """Its rows are halved, where several episodes would be."""
    for kind, dataset in datasets.items():
        model = tiny_model(kind)
        seen = foresee(model, draw_windows(dataset, np.array([0]), 1, 999, seed=0))
        units = standardisation(dataset)
        state = residuals_of(seen, units, varying(units, dataset.spec))["state"]
        fit_temperature(model, dataset, np.array([0]), seed=0)
        squares = (np.square(state.error / state.sigma) * state.weights).sum(0)
        expected = np.sqrt((squares + 10) / (state.weights.sum(0) + 10))
        assert not np.allclose(expected, 1, rtol=0.01)
        np.testing.assert_allclose(model.temperature.state, expected, rtol=1e-5)


def test_what_is_not_predicted_keeps_its_spread(datasets, tiny_model):
    model = tiny_model("continuous")
    fit_temperature(model, datasets["continuous"], None, seed=0)
    assert model.temperature.observations.numpy()[1, 3] == 1  # padding
    assert len(model.state_variables) == 3
