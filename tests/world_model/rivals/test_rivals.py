"""What every rival keeps: shapes, masks, seeds, and weights that all learn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.config import EnsembleConfig, MonolithicConfig

RIVALS = {
    "state": {"kind": "monolithic"},
    "one trunk": {"kind": "monolithic", "monolithic": MonolithicConfig(trunks="one")},
    "observations": {
        "kind": "monolithic",
        "monolithic": MonolithicConfig(inputs="state_observations"),
    },
    "ensemble": {"kind": "ensemble", "ensemble": EnsembleConfig(members=3, elites=2)},
}


@pytest.fixture(scope="module", params=["continuous", "discrete"])
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=RIVALS)
def rival(request, kind, any_model):
    return any_model(kind, **RIVALS[request.param])


@pytest.fixture
def arguments(kind, window):
    batch, _ = window(kind)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    return first.state, first.observations, first.actions, first.agent_mask


def losses_and_gradients(model, batch, mask, unroll):
    with tf.GradientTape() as tape:
        losses = model.losses(batch, mask, unroll)
    return losses, tape.gradient(losses["loss"], model.trainable_variables)


def assert_same(first, second):
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_step_has_the_shapes_it_promises(rival, arguments):
    spec, prediction = rival.spec, rival.step(*arguments)
    n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
    assert prediction.observations.shape == prediction.observations_std.shape == (6, n, o)
    assert prediction.state.shape == prediction.state_std.shape == (6, s)
    assert prediction.legal_actions.shape == (6, n, spec.legal_dim)
    assert prediction.memory.shape == (6, n, 0)
    for scalar in ("reward", "reward_std", "termination", "uncertainty"):
        assert getattr(prediction, scalar).shape == (6,)
    assert (prediction.uncertainty.numpy() > 0).all()


def test_every_weight_learns(rival, kind, window):
    losses, gradients = losses_and_gradients(rival, *window(kind), 2)
    assert np.isfinite([value.numpy() for value in losses.values()]).all()
    assert all(gradient is not None for gradient in gradients)
    assert "open_loop_state" in losses


def test_rows_past_the_end_change_nothing(rival, kind, window):
    batch, _ = window(kind)
    mask = tf.constant([[1.0, 1.0], [1.0, 0.0]] * 3)
    plain = losses_and_gradients(rival, batch, mask, 2)

    def spoil(values):
        past = tf.reshape(mask, (6, 2, *[1] * (len(values.shape) - 2))) == 0
        if values.dtype.is_floating:
            return tf.where(past, tf.fill(tf.shape(values), tf.cast(1.0, values.dtype)), values)
        return tf.where(past, tf.zeros_like(values), values)

    assert_same(losses_and_gradients(rival, tf.nest.map_structure(spoil, batch), mask, 2), plain)


def test_padding_and_dead_agents_change_nothing(rival, kind, window):
    batch, mask = window(kind)
    gone = tf.concat([batch.agent_mask[..., :-1], tf.zeros_like(batch.agent_mask[..., -1:])], -1)
    batch = batch._replace(agent_mask=gone, next_agent_mask=gone)
    plain = losses_and_gradients(rival, batch, mask, 2)
    seen = gone[..., None] * rival.spec.observation_mask
    noisy = batch._replace(
        observations=batch.observations + 5.0 * (1.0 - seen),
        next_observations=batch.next_observations - 7.0 * (1.0 - seen),
        next_legal_actions=tf.logical_and(batch.next_legal_actions, gone[..., None] > 0),
    )
    assert_same(losses_and_gradients(rival, noisy, mask, 2), plain)


def test_only_the_rival_that_is_shown_observations_sees_them(any_model, window):
    batch, _ = window("continuous", length=1)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    blind, seeing = (any_model("continuous", **RIVALS[name]) for name in ("state", "observations"))
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


def test_persistence_says_that_nothing_changes(kind, any_model, arguments):
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
