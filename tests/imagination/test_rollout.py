"""The graph rollout against a loop in Python, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import make_imagine
from logo_tf.world_model.protocol import next_agent_mask, next_legal

HORIZON = 4
SEED = tf.constant([3, 4])


@pytest.fixture(scope="module")
def rollout(world):
    return make_imagine(world.model, world.policy, HORIZON)(world.start, SEED)


def test_equals_a_loop_in_python(world, rollout):
    model, spec = world.model, world.model.spec
    start = world.start
    state, observations = start.state, start.observations
    legal, alive, running = start.legal_actions, start.agent_mask, np.ones(6, np.float32)
    for t in range(HORIZON):
        actions, _ = world.policy.act(observations, legal, (), tf.random.fold_in(SEED, t))
        predicted = model.step(state, observations, actions, alive)
        step = tf.nest.map_structure(lambda x, t=t: x[t].numpy(), rollout)
        np.testing.assert_array_equal(step.transitions.actions, actions)
        np.testing.assert_array_equal(step.valid, running)
        np.testing.assert_allclose(step.transitions.state, state, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(step.transitions.rewards, predicted.reward, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(step.uncertainty, predicted.uncertainty, rtol=1e-4, atol=1e-5)
        legal = next_legal(predicted, spec)
        alive = alive * next_agent_mask(legal, spec)
        state, observations = predicted.state, predicted.observations * alive[..., None]
        ended = predicted.termination.numpy() > 0.5
        np.testing.assert_allclose(
            step.transitions.next_observations, observations, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(step.transitions.next_agent_mask, alive)
        np.testing.assert_array_equal(step.transitions.terminals, ended)
        running = running * ~ended


def test_rows_follow_one_another(rollout):
    rows = rollout.transitions
    np.testing.assert_array_equal(rows.next_state[:-1], rows.state[1:])
    np.testing.assert_array_equal(rows.next_observations[:-1], rows.observations[1:])
    np.testing.assert_array_equal(rows.next_legal_actions[:-1], rows.legal_actions[1:])


def test_branches_stop_at_predicted_endings(world):
    model = world.model
    bias = model.deductive_encoder.mean.bias
    before = bias.numpy()
    state_dim = model.spec.state_dim
    imagine = make_imagine(model, world.policy, 3)
    try:
        bias.assign(np.where(np.arange(len(before)) == state_dim + 1, 100.0, before))
        ending = imagine(world.start, SEED)
        bias.assign(np.where(np.arange(len(before)) == state_dim + 1, -100.0, before))
        lasting = imagine(world.start, SEED)  # one trace: the new weights are read
    finally:
        bias.assign(before)
    np.testing.assert_array_equal(ending.valid, [[1] * 6, [0] * 6, [0] * 6])
    assert (ending.transitions.terminals.numpy() == 1).all()
    assert (lasting.valid.numpy() == 1).all()


def test_only_possible_actions_are_imagined(world):
    spec = world.model.spec
    rows = make_imagine(world.model, world.policy, 8)(world.start, SEED).transitions
    if spec.discrete:
        chosen = tf.gather(rows.legal_actions, rows.actions[..., None], axis=-1, batch_dims=3)
        assert bool(tf.reduce_all(chosen))
    else:
        actions = rows.actions.numpy()
        assert (actions >= np.float32(spec.action_low)).all()
        assert (actions <= np.float32(spec.action_high)).all()


def test_predictions_stay_within_the_data(world, rollout):
    units = world.model.scaling.statistics
    states = rollout.transitions.next_state.numpy()
    assert (states >= units.state_min - 1e-6).all()
    assert (states <= units.state_max + 1e-6).all()


def test_seeds_decide(world, rollout):
    imagine = make_imagine(world.model, world.policy, HORIZON)
    again, other = imagine(world.start, SEED), imagine(world.start, tf.constant([3, 5]))
    np.testing.assert_array_equal(again.transitions.actions, rollout.transitions.actions)
    if not world.model.spec.discrete:
        assert not np.allclose(other.transitions.actions, rollout.transitions.actions)


def test_many_branches_are_portions_each_like_a_rollout_of_its_own(world, monkeypatch):
    monkeypatch.setattr("logo_tf.imagination.rollout._LARGE", 6)
    rows = tf.range(7) % len(world.start.rewards)
    start = tf.nest.map_structure(lambda values: tf.gather(values, rows), world.start)
    start = tf.nest.map_structure(
        lambda values: tf.ensure_shape(values, (7, *values.shape[1:])), start
    )
    imagine = make_imagine(world.model, world.policy, HORIZON)
    whole = imagine(start, SEED)
    assert whole.valid.shape == (HORIZON, 7)
    for number, (a, b) in enumerate(((0, 1), (1, 3), (3, 5), (5, 7))):
        part = tf.nest.map_structure(lambda values, a=a, b=b: values[a:b], start)
        alone = imagine(part, tf.random.fold_in(SEED, number))
        tf.nest.map_structure(
            lambda all_, one, a=a, b=b: np.testing.assert_allclose(
                all_.numpy()[:, a:b], one.numpy(), rtol=1e-5, atol=1e-5
            ),
            whole,
            alone,
        )


def test_a_horizon_is_needed(world):
    with pytest.raises(LogoError, match="horizon must be at least 1"):
        make_imagine(world.model, world.policy, 0)
