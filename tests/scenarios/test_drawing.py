"""Choices drawn by their weights."""

import numpy as np
import pytest

from logo_tf.scenarios.drawing import draw


def test_shares_are_those_of_the_weights():
    weights = np.tile([0.0, 1.0, 0.0, 3.0, 0.0], (4000, 2, 1))
    drawn = draw(weights, np.random.default_rng(0))
    assert drawn.shape == (4000, 2)
    assert drawn.dtype == np.int32
    assert set(np.unique(drawn)) == {1, 3}
    assert np.mean(drawn == 3) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("at", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_draw_choose_nothing_of_weight_zero(at):
    class Fixed:
        def random(self, shape):
            return np.full(shape, at)

    weights = np.random.default_rng(1).random((500, 7), np.float32)
    weights[:, [0, 3, 6]] = 0.0
    drawn = draw(weights, Fixed())
    assert np.take_along_axis(weights, drawn[:, None], -1).all()
