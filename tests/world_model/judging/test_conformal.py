"""The conformal quantile and the isotonic fit by hand."""

import numpy as np
import pytest

from logo_tf.world_model.judging.conformal import conformal_quantile, isotonic_knots


@pytest.mark.parametrize(
    ("count", "coverage", "rank"),
    [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (99, 0.9, 90), (99, 0.5, 50), (5, 0.9, 5)],
)
def test_the_quantile_is_the_right_order_statistic(count, coverage, rank):
    """Rank ceil(coverage (n + 1)), and the largest where that is more than n."""
    scores = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert conformal_quantile(scores, coverage) == rank


def test_a_new_score_is_covered_as_often_as_stated():
    """Exactly ceil(.8 * 20) / 20 = .8 for n = 19 continuous scores."""
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(4000, 20))
    held = [new <= conformal_quantile(scores, 0.8) for *scores, new in draws]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


def test_knots_are_means_made_monotone():
    """Two bins of 20 rows; where the errors fall they are pooled."""
    signal = np.repeat([1.0, 3.0], 20)
    assert isotonic_knots(signal, signal * 2) == ((1.0, 3.0), (2.0, 6.0))
    assert isotonic_knots(signal, 5 - signal) == ((1.0, 3.0), (3.0, 3.0))


def test_equal_signals_become_one_knot():
    signal, error = np.repeat([1.0, 1.0, 3.0], 20), np.repeat([1.0, 2.0, 4.0], 20)
    assert isotonic_knots(signal, error) == ((1.0, 3.0), (1.5, 4.0))


@pytest.mark.parametrize("signal", [np.arange(39.0), np.full(400, 0.3), np.zeros(0)])
def test_nothing_to_tell_errors_apart_by(signal):
    """Below two bins of 20 rows, or a signal that never varies: a constant."""
    assert isotonic_knots(signal, np.ones(len(signal))) == ((0.0,), (1.0,))
