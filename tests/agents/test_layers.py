import numpy as np
import tensorflow as tf

from logo_tf.agents.layers import LayerNorm


def test_layer_norm_by_hand():
    layer = LayerNorm()
    out = layer(tf.constant([[1.0, 3.0]]))
    np.testing.assert_allclose(out, [[-1.0, 1.0]], atol=1e-4)
    layer.gain.assign([2.0, 2.0])
    layer.bias.assign([1.0, 0.0])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 3.0]])), [[-1.0, 2.0]], atol=1e-4)
