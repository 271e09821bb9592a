"""The monolithic rivals: what they see, and a network for the state alone."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf.world_model.config import MonolithicConfig


def test_only_the_one_that_is_shown_observations_sees_them(any_model, window):
    batch, _ = window("continuous", length=1)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    blind, seeing = (
        any_model("continuous", kind="monolithic", monolithic=MonolithicConfig(inputs=inputs))
        for inputs in ("state", "state_observations")
    )
    for model, sees in ((blind, False), (seeing, True)):
        states = [
            model.step(first.state, shown, first.actions, first.agent_mask).state
            for shown in (first.observations, tf.zeros_like(first.observations))
        ]
        assert np.allclose(*states) != sees


def test_the_state_has_a_network_of_its_own(any_model, window):
    batch, mask = window("continuous")
    for trunks, separate in (("split", True), ("one", False)):
        model = any_model(
            "continuous", kind="monolithic", monolithic=MonolithicConfig(trunks=trunks)
        )
        with tf.GradientTape() as tape:
            loss = model.losses(batch, mask, 1)["state"]
        gradients = tape.gradient(loss, model.trainable_variables)
        idle = sum(gradient is None for gradient in gradients)
        assert (idle > 4) == separate  # the network of variances always is
