"""Likelihoods and interval coverage by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtri

from logo_tf.world_model.judging.dimensions import Dimensions
from logo_tf.world_model.judging.likelihood import (
    NOMINAL,
    Residuals,
    gaussian_nll,
    inside,
    interval_coverage,
    residuals_of,
)


def test_by_hand():
    found = Residuals(
        error=np.array([0.0, 2.0, 99.0]),
        sigma=np.array([1.0, 2.0, 1.0]),
        weights=np.array([1.0, 1.0, 0.0]),  # the last one does not count
    )
    # log(2 pi)/2, and 1/2 + log 2 + log(2 pi)/2
    expected = 0.5 * np.log(2 * np.pi) + 0.5 * (0.5 + np.log(2))
    assert gaussian_nll(found) == pytest.approx(expected)
    assert inside(found, 1.0) == 1.0
    assert inside(found, 0.9) == 0.5
    assert gaussian_nll(found._replace(weights=np.zeros(3))) is None


def test_nothing_counts_where_no_spread_is_told():
    """A dimension that never varied in training has no spread, and may vary in the test."""
    one = SimpleNamespace(
        state=np.zeros((1, 2, 2)),
        state_std=np.array([[[2.0, 0.0], [2.0, 0.0]]]),
        observations=np.zeros((1, 2, 1, 1)),
        observations_std=np.ones((1, 2, 1, 1)),
        reward=np.zeros((1, 2)),
        reward_std=np.ones((1, 2)),
    )
    true = SimpleNamespace(
        next_state=np.ones((1, 2, 2)),
        next_observations=np.zeros((1, 2, 1, 1)),
        rewards=np.zeros((1, 2)),
        agent_mask=np.ones((1, 2, 1)),
        next_agent_mask=np.ones((1, 2, 1)),
    )
    units = SimpleNamespace(state_std=np.ones(2), observation_std=np.ones((1, 1)), reward_std=1.0)
    dims = Dimensions(np.ones(2, bool), np.ones((1, 1), bool))
    seen = SimpleNamespace(predicted=one, true=true, mask=np.ones((1, 2)))
    found = residuals_of(seen, units, dims)["state"]
    np.testing.assert_array_equal(found.weights, [[1, 0], [1, 0]])
    # 1/8 + log 2 + log(2 pi)/2
    assert gaussian_nll(found) == pytest.approx(1 / 8 + np.log(2) + 0.5 * np.log(2 * np.pi))


def test_gaussian_errors_are_inside_as_often_as_they_should_be():
    """Errors at the normal's own quantiles: the observed shares are the nominal ones."""
    error = ndtri((np.arange(2000) + 0.5) / 2000)
    found = Residuals(3 * error, np.full(2000, 3.0), np.ones(2000))
    np.testing.assert_allclose(interval_coverage(found), NOMINAL, atol=1e-3)
    wide = found._replace(sigma=found.sigma * 2)
    assert interval_coverage(wide)[4] == pytest.approx(0.823, abs=1e-3)  # 2 * Phi(2 * .6745) - 1
