"""Likelihoods and interval coverage by hand."""

import numpy as np
import pytest
from scipy.special import ndtri

from logo_tf.world_model.judging.likelihood import (
    NOMINAL,
    Residuals,
    gaussian_nll,
    inside,
    interval_coverage,
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


def test_gaussian_errors_are_inside_as_often_as_they_should_be():
    """Errors at the normal's own quantiles: the observed shares are the nominal ones."""
    error = ndtri((np.arange(2000) + 0.5) / 2000)
    found = Residuals(3 * error, np.full(2000, 3.0), np.ones(2000))
    np.testing.assert_allclose(interval_coverage(found), NOMINAL, atol=1e-3)
    wide = found._replace(sigma=found.sigma * 2)
    assert interval_coverage(wide)[4] == pytest.approx(0.823, abs=1e-3)  # 2 * Phi(2 * .6745) - 1
