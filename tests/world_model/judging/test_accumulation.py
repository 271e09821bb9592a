"""Signals along a branch by hand."""

import numpy as np
import pytest

from logo_tf.world_model.judging.accumulation import ACCUMULATIONS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("step", [3.0, 1.0, 4.0]),
        ("max", [3.0, 3.0, 4.0]),
        ("sum", [3.0, 4.0, 8.0]),
        ("rms", [3.0, 5**0.5, (26 / 3) ** 0.5]),
    ],
)
def test_by_hand(name, expected):
    found = ACCUMULATIONS[name](np.array([[3.0], [1.0], [4.0]]))
    np.testing.assert_allclose(found[:, 0], expected)
