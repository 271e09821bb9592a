"""Persistence, the zero line."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_nothing_changes(kind, any_model, window):
    batch, _ = window(kind, length=1)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    arguments = first.state, first.observations, first.actions, first.agent_mask
    model = any_model(kind, kind="persistence")
    prediction = model.step(*arguments)
    predicted = model.scaling.state_mask > 0
    np.testing.assert_allclose(
        prediction.state.numpy()[:, predicted], arguments[0].numpy()[:, predicted], atol=1e-5
    )
    assert (prediction.termination.numpy() < 0.01).all()
    np.testing.assert_allclose(
        prediction.reward, np.full(6, model.scaling.statistics.reward_mean), atol=1e-5
    )
