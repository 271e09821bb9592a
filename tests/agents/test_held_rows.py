import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.held_rows import HELD_ROWS
from logo_tf.config import override


@pytest.mark.parametrize(
    ("choice", "down", "up"),
    [
        ("all", [1.0, 0.0, 2.0, 1.0], [1.0, 0.0, 2.0, 1.0]),
        ("real", [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]),
        ("imagined", [0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_by_hand(choice, down, up):
    """Rows of weights 1, 0, 2 and 1, of which the last two were imagined."""
    held = HELD_ROWS[choice](tf.constant([1.0, 0.0, 2.0, 1.0]), tf.constant([0.0, 0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(held.down, down)
    np.testing.assert_array_equal(held.up, up)


def test_names_match_the_config():
    for name in HELD_ROWS:
        assert override(PolicyConfig(), [f"cql_rows={name}"]).cql_rows == name
