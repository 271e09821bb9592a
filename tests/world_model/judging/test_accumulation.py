"""Signals along a branch by hand."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.world_model.judging.accumulation import ACCUMULATIONS, accumulate

BY_HAND = {
    "step": [3.0, 1.0, 4.0],
    "max": [3.0, 3.0, 4.0],
    "sum": [3.0, 4.0, 8.0],
    "rms": [3.0, 5**0.5, (26 / 3) ** 0.5],
}


@pytest.mark.parametrize("name", ACCUMULATIONS)
def test_by_hand(name):
    found = accumulate(np.array([[3.0], [1.0], [4.0]]), name)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found[:, 0], BY_HAND[name])


@pytest.mark.parametrize("name", ACCUMULATIONS)
def test_in_a_graph_of_any_length(name):
    signature = [tf.TensorSpec((None, None), tf.float32)]
    graph = tf.function(lambda u: accumulate(u, name), input_signature=signature)
    np.testing.assert_allclose(graph([[3.0], [1.0], [4.0]])[:, 0], BY_HAND[name], rtol=1e-6)


@pytest.mark.parametrize("name", ACCUMULATIONS)
def test_no_signal_depends_on_a_later_step(name):
    u = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    later = u.copy()
    later[3:] = np.nan
    np.testing.assert_array_equal(accumulate(u, name)[:3], accumulate(later, name)[:3])


def test_unknown_names_are_refused():
    with pytest.raises(LogoError, match="no accumulation 'summed'; did you mean 'sum'"):
        accumulate(np.ones((2, 1)), "summed")
