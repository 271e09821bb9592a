"""Ranks, rank correlation and AUC by hand."""

import numpy as np
import pytest

from logo_tf.world_model.judging.ranks import auc, ranks, spearman


def test_ties_share_their_mean_rank():
    np.testing.assert_array_equal(ranks(np.array([5.0, 1.0, 5.0, 9.0])), [2.5, 1.0, 2.5, 4.0])


def test_spearman_by_hand():
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)
    # ranks 1.5 1.5 3 against 1 2 3
    assert spearman(np.array([1.0, 1.0, 9.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(
        0.75**0.5
    )
    assert spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None
    assert spearman(np.array([1.0]), np.array([1.0])) is None


def test_auc_counts_pairs():
    # of the pairs (1, 2) (1, 3) (3, 2) (3, 3): two higher, one lower, one tie
    assert auc(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == pytest.approx(2.5 / 4)
    assert auc(np.zeros(3), np.ones(5)) == 1
    assert auc(np.ones(5), np.zeros(3)) == 0
    assert auc(np.zeros(3), np.zeros(5)) == 0.5
    assert auc(np.zeros(0), np.zeros(5)) is None
