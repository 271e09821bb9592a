import numpy as np
import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.shapes import check_shapes


def test_returns_the_sizes_it_met():
    arrays = {"observations": np.zeros((5, 2, 4)), "rewards": np.zeros(5)}
    assert check_shapes(arrays, {"observations": "BNO", "rewards": "B"}, N=2) == {
        "B": 5,
        "N": 2,
        "O": 4,
    }


def test_message_shows_name_axes_and_shape():
    arrays = {"observations": np.zeros((5, 2, 4)), "rewards": np.zeros(6)}
    with pytest.raises(LogoError, match=r"rewards has shape \(6,\) .*B is 6, expected 5"):
        check_shapes(arrays, {"observations": "BNO", "rewards": "B"})
    with pytest.raises(LogoError, match=r"observations has shape \(5, 2, 4\), expected 2 axes"):
        check_shapes(arrays, {"observations": "BO"})
    with pytest.raises(LogoError, match="N is 2, expected 3"):
        check_shapes(arrays, {"observations": "BNO"}, N=3)


def test_unknown_graph_dimensions_pass():
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def graph(x):
        seen.append(check_shapes({"x": x}, {"x": "BS"}, S=3))
        return x

    graph(tf.zeros([2, 3]))
    assert seen == [{"S": 3}]
