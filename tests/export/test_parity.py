from __future__ import annotations

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.export.parity import difference, largest, require_parity, require_same_choices


def test_the_difference_is_absolute_below_one_and_relative_above() -> None:
    assert difference(np.array([0.5, -0.25]), np.array([0.5, -0.5])) == 0.25
    assert difference(np.array([100.0]), np.array([101.0])) == pytest.approx(0.01)


def test_the_difference_is_in_spreads_where_the_data_spread_more() -> None:
    expected, actual = np.zeros((3, 2)), np.full((3, 2), 0.5)
    assert difference(expected, actual, np.array([0.1, 50.0])) == 0.5
    assert difference(expected, actual, np.array([5.0, 50.0])) == 0.1
    parity = require_parity(
        {"a": expected}, {"a": actual * 1e-5}, "x", {"a": np.array([5.0, 50.0])}
    )
    assert parity == {"a": pytest.approx(1e-6)}


def test_no_values_differ_by_nothing() -> None:
    assert difference(np.zeros((2, 0)), np.zeros((2, 0))) == 0.0


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_infinitely_off_even_from_itself(broken: float) -> None:
    values = np.array([1.0, broken])
    assert difference(np.ones(2), values) == float("inf")
    assert difference(values, np.ones(2)) == float("inf")
    assert difference(values, values) == float("inf")


def test_another_shape_is_infinitely_off() -> None:
    assert difference(np.ones((2, 1)), np.ones((1, 2))) == float("inf")


def test_parity_returns_each_tensors_difference() -> None:
    expected = {"a": np.array([1.0, 2.0]), "b": np.zeros(3)}
    actual = {"a": np.array([1.0, 2.0 + 1e-6]), "b": np.zeros(3)}
    assert require_parity(expected, actual, "x") == {"a": pytest.approx(5e-7), "b": 0.0}


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        (
            {"a": np.array([0.0, 2e-5])},
            r"x: a differs from the original's by 2e-05, more than 1e-05",
        ),
        ({"a": np.array([0.0, np.nan])}, "x: the export's a is not finite on random inputs"),
        ({"a": np.zeros(3)}, r"x: a has shape \(3,\), the original's has \(2,\)"),
        ({"b": np.zeros(2)}, r"x: answers with \['b'\], the original with \['a'\]"),
    ],
)
def test_parity_refuses(actual: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(LogoError, match=message):
        require_parity({"a": np.zeros(2)}, actual, "x")


def test_parity_blames_an_original_that_is_not_finite() -> None:
    with pytest.raises(LogoError, match="the original's a is not finite"):
        require_parity({"a": np.array([np.nan])}, {"a": np.array([np.nan])}, "x")


def test_choices_agree_but_for_ties() -> None:
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 0.5, -1.0]])
    assert require_same_choices(np.array([0, 1]), np.array([1, 1]), scores, "x") == 0.0


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ([0, 0], "x: action differs from the original's on 1 of 2 random inputs, by 0.5"),
        ([0, 3], "x: action 0 to 3 is not among the choices"),
        ([0], "x: action has shape"),
    ],
)
def test_worse_choices_are_refused(actual: list[int], message: str) -> None:
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 0.5, -1.0]])
    with pytest.raises(LogoError, match=message):
        require_same_choices(np.array([0, 1]), np.array(actual), scores, "x")


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(LogoError, match="scores are not finite"):
        require_same_choices(np.array([0]), np.array([0]), np.array([[np.nan]]), "x")


def test_largest_takes_each_tensors_maximum() -> None:
    assert largest([{"a": 1.0}, {"a": 3.0, "b": 0.5}, {"b": 0.25}]) == {"a": 3.0, "b": 0.5}
