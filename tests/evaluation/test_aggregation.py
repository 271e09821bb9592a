"""rliable's statistics, by hand where they can be had so."""

import numpy as np
import pytest

from logo_tf.evaluation.aggregation import (
    improvement,
    interquartile_means,
    means,
    performance_profiles,
)

SCORES = {
    "a": np.array([[0.0, 40.0], [10.0, 50.0], [20.0, 60.0], [30.0, 1000.0]]),
    "b": np.array([[5.0, 30.0], [5.0, 30.0], [25.0, 30.0], [25.0, 30.0]]),
}


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    found = interquartile_means(SCORES)
    assert found["a"].value == pytest.approx((20 + 30 + 40 + 50) / 4)
    assert found["b"].value == pytest.approx((25 + 25 + 30 + 30) / 4)
    assert found["a"].low <= found["a"].value <= found["a"].high
    assert found["a"].low < found["a"].high


def test_the_mean_is_over_seeds_and_tasks():
    assert means(SCORES)["a"].value == pytest.approx((60 + 1150) / 8)


def test_the_chance_to_beat_the_baseline_counts_pairs_on_each_task():
    found = improvement(SCORES, "b")
    assert set(found) == {"a"}
    # Task 1: 0 beats none, 10 and 20 two each, 30 all four; task 2: every pair.
    assert found["a"].value == pytest.approx((8 / 16 + 1.0) / 2)


def test_a_profile_is_the_share_of_runs_above():
    profile = performance_profiles(SCORES, np.array([0.0, 24.0, 2000.0]))["a"]
    np.testing.assert_allclose(profile.share, [7 / 8, 5 / 8, 0.0])
    assert np.all(profile.low <= profile.share)
    assert np.all(profile.share <= profile.high)


def test_intervals_are_fixed_by_the_seed_and_leave_the_global_generator_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    first, second = interquartile_means(SCORES, seed=1), interquartile_means(SCORES, seed=1)
    assert first == second
    assert interquartile_means(SCORES, seed=2)["a"] != first["a"]
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_one_seed_has_an_interval_of_no_width():
    found = interquartile_means({"a": np.array([[1.0, 2.0, 3.0, 4.0]])})["a"]
    assert found == (2.5, 2.5, 2.5)
