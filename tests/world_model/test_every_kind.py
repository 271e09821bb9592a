"""What LOGO and every rival without a past keep: shapes, masks, padding, the dead."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.config import EnsembleConfig, LogoConfig, MonolithicConfig

KINDS = {
    "logo": {"kind": "logo"},
    "logo, other readings": {
        "kind": "logo",
        "logo": LogoConfig(
            auxiliary="own", regularisation="observations", deductive_training="predicted"
        ),
    },
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


@pytest.fixture(scope="module", params=KINDS)
def model(request, kind, any_model):
    return any_model(kind, **KINDS[request.param])


@pytest.fixture(scope="module")
def arguments(kind, window):
    batch, _ = window(kind)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    return first.state, first.observations, first.actions, first.agent_mask


def losses_and_gradients(model, batch, mask):
    with tf.GradientTape() as tape:
        losses = model.losses(batch, mask, 2)
    return losses, tape.gradient(losses["loss"], model.trainable_variables)


def assert_same(first, second):
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_step_has_the_shapes_it_promises(model, arguments):
    spec, prediction = model.spec, model.step(*arguments)
    n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
    assert prediction.observations.shape == prediction.observations_std.shape == (6, n, o)
    assert prediction.state.shape == prediction.state_std.shape == (6, s)
    assert prediction.legal_actions.shape == (6, n, spec.legal_dim)
    assert prediction.memory.shape == (6, n, 0)
    for scalar in ("reward", "reward_std", "termination", "uncertainty"):
        assert getattr(prediction, scalar).shape == (6,)
    assert (prediction.uncertainty.numpy() > 0).all()


def test_padding_and_the_dead_are_predicted_as_zero(model, arguments):
    state, observations, actions, _ = arguments
    alive = tf.one_hot(tf.zeros(6, tf.int32), model.spec.num_agents)
    prediction = model.step(state, observations, actions, alive)
    assert (prediction.observations.numpy()[:, 1:] == 0).all()
    padded = prediction.observations.numpy()[:, model.spec.observation_mask == 0]
    assert (padded == 0).all()
    if model.spec.discrete:  # only the no-op is left to the dead
        np.testing.assert_array_equal(
            prediction.legal_actions.numpy()[:, 1:], np.broadcast_to([1, 0, 0, 0], (6, 2, 4))
        )


def test_every_weight_learns(model, kind, window):
    losses, gradients = losses_and_gradients(model, *window(kind))
    assert np.isfinite([value.numpy() for value in losses.values()]).all()
    assert all(gradient is not None for gradient in gradients)


def test_rows_past_the_end_change_nothing(model, kind, window):
    batch, _ = window(kind)
    mask = tf.constant([[1.0, 1.0], [1.0, 0.0]] * 3)
    plain = losses_and_gradients(model, batch, mask)

    def spoil(values):
        past = tf.reshape(mask, (6, 2, *[1] * (len(values.shape) - 2))) == 0
        if values.dtype.is_floating:
            return tf.where(past, tf.fill(tf.shape(values), tf.cast(1.0, values.dtype)), values)
        return tf.where(past, tf.zeros_like(values), values)

    assert_same(losses_and_gradients(model, tf.nest.map_structure(spoil, batch), mask), plain)


def test_padding_and_dead_agents_change_nothing(model, kind, window):
    batch, mask = window(kind)
    gone = tf.concat([batch.agent_mask[..., :-1], tf.zeros_like(batch.agent_mask[..., -1:])], -1)
    batch = batch._replace(agent_mask=gone, next_agent_mask=gone)
    plain = losses_and_gradients(model, batch, mask)
    seen = gone[..., None] * model.spec.observation_mask
    noisy = batch._replace(
        observations=batch.observations + 5.0 * (1.0 - seen),
        next_observations=batch.next_observations - 7.0 * (1.0 - seen),
        next_legal_actions=tf.logical_and(batch.next_legal_actions, gone[..., None] > 0),
    )
    assert_same(losses_and_gradients(model, noisy, mask), plain)
