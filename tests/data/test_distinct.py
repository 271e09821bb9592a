"""Counts that are exact while what is different can be held, and close beyond."""

from __future__ import annotations

import numpy as np
import pytest

from logo_tf.data import distinct
from logo_tf.data.distinct import Distinct, row_hashes


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch):
    """``counted(numbers)``: a counter of at most 400, to which they are added 1000 at a time."""
    monkeypatch.setattr(distinct, "_MOST", 400)

    def count(numbers: np.ndarray) -> Distinct:
        counter = Distinct()
        for begin in range(0, len(numbers), 1000):
            counter.add(row_hashes(numbers[begin : begin + 1000]))
        return counter

    return count


def test_few_are_counted(counted) -> None:
    assert counted(np.zeros(0)).count == 0
    repeated = counted(np.arange(5000) % 399)
    assert (repeated.count, repeated.error) == (399, 0)


def test_many_are_estimated(counted) -> None:
    numbers = np.arange(20_000)
    many = counted(numbers)
    assert many.error == pytest.approx(0.05, rel=0.01)
    assert abs(many.count / 20_000 - 1) < 3 * many.error
    # What comes again changes nothing, in whatever order.
    again = np.random.default_rng(0).permutation(np.repeat(numbers, 3))
    assert counted(again).count == many.count


def test_rows_are_all_columns_together(monkeypatch: pytest.MonkeyPatch) -> None:
    one = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0], [0.0, 1.0]], np.float32)
    other = np.array([1, 1, 1, 2])
    hashes = row_hashes(one, other)
    assert hashes[0] == hashes[1]
    assert len(np.unique(hashes)) == 3
    assert len(np.unique(row_hashes(one))) == 2
    assert len(row_hashes(one[:0])) == 0
    monkeypatch.setattr(distinct, "_ROWS_AT_ONCE", 3)
    np.testing.assert_array_equal(row_hashes(one, other), hashes)
