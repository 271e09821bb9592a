import dataclasses

import numpy as np
import tensorflow as tf

from logo_tf.agents.units import action_range, from_unit, to_unit


def test_units_round_trip_and_padding_stays_zero(continuous_spec):
    spec = dataclasses.replace(
        continuous_spec,
        action_low=((-2.0, 0.0), (1.0, 0.0)),
        action_high=((2.0, 4.0), (3.0, 0.0)),
    )
    raw = tf.constant([[[2.0, 0.0], [2.0, 0.0]]])
    unit = to_unit(spec, raw)
    np.testing.assert_allclose(unit, [[[1.0, -1.0], [0.0, 0.0]]])
    np.testing.assert_allclose(from_unit(spec, unit), raw)
    np.testing.assert_allclose(from_unit(spec, tf.ones((1, 2, 2)))[0, 1, 1], 0.0)
    centre, half = action_range(spec)
    np.testing.assert_allclose(centre, [[0.0, 2.0], [2.0, 0.0]])
    np.testing.assert_allclose(half, [[2.0, 2.0], [1.0, 0.0]])
