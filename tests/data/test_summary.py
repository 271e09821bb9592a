"""Summaries of numbers that come some at a time are those of all at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from logo_tf.data.summary import Summary, SummaryTally

RNG = np.random.default_rng(0)
NUMBERS = {
    "normal": RNG.normal(size=1001),
    "far from 0": 1e6 + RNG.normal(size=1000),
    "sparse": np.where(RNG.random(998) < 0.3, RNG.normal(size=998), -0.0),
    "all sizes": RNG.normal(size=999) * 10.0 ** RNG.integers(-40, 38, 999),
    "few": np.array([-1.5, 2.0, 7.0, -3.0]),
    "one": np.array([-2.5]),
    "same": np.full(50, 3.0),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_as_of_all_at_once(name: str) -> None:
    numbers = NUMBERS[name].astype(np.float32)
    tally, parts = SummaryTally(), np.array_split(numbers, 7)  # some of them empty
    for part in parts:
        tally.add(part)
    for part in parts:
        tally.add_again(part)
    found, expected = tally.result(), Summary.of(numbers)
    assert found.mean == pytest.approx(expected.mean, rel=1e-13, abs=1e-13)
    assert found.std == pytest.approx(expected.std, rel=1e-12)
    rounded = {"mean": 0.0, "std": 0.0}
    assert dataclasses.replace(found, **rounded) == dataclasses.replace(expected, **rounded)


def test_by_hand() -> None:
    summary = Summary.of(np.array([1, 2, 3, 4]))
    assert summary == Summary(2.5, np.sqrt(1.25), 1, 1.75, 2.5, 3.25, 4)
