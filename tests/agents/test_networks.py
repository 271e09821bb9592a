import dataclasses

import numpy as np
import tensorflow as tf

from logo_tf.agents.networks import (
    ILLEGAL_LOGIT,
    LayerNorm,
    TeamActor,
    TwinCritic,
    action_range,
    from_unit,
    to_unit,
)


def actor_of(spec, **kwargs):
    actor = TeamActor(spec, 8, 2, seed=1, **kwargs)
    actor.create_variables()
    return actor


def critic_of(spec, norm="layer", **kwargs):
    critic = TwinCritic(spec, 8, 2, norm, seed=1, **kwargs)
    critic.create_variables()
    return critic


def seen(observations, legal=None):
    observations = tf.constant(observations, tf.float32)
    if legal is None:
        legal = tf.zeros((*observations.shape[:2], 0), tf.bool)
    return {"observations": observations, "legal_actions": tf.constant(legal)}


def random_observations(spec, rows=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (rows, spec.num_agents, spec.observation_dim)
    return (rng.normal(size=shape) * spec.observation_mask).astype(np.float32)


def test_layer_norm_by_hand():
    layer = LayerNorm()
    out = layer(tf.constant([[1.0, 3.0]]))
    np.testing.assert_allclose(out, [[-1.0, 1.0]], atol=1e-4)
    layer.gain.assign([2.0, 2.0])
    layer.bias.assign([1.0, 0.0])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 3.0]])), [[-1.0, 2.0]], atol=1e-4)


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


def test_continuous_actions_stay_within_bounds(continuous_spec):
    actor = actor_of(continuous_spec)
    actions, _ = actor(seen(1e3 * random_observations(continuous_spec)))
    assert actions.shape == (5, 2, 2)
    assert np.all(actions >= np.asarray(continuous_spec.action_low))
    assert np.all(actions <= np.asarray(continuous_spec.action_high))
    assert np.all(actions.numpy()[:, 1, 1] == 0.0)


def test_padded_observations_change_nothing(continuous_spec):
    actor = actor_of(continuous_spec)
    observations = random_observations(continuous_spec)
    before, _ = actor(seen(observations))
    observations[:, 1, 3] = 123.0  # agent b sees three numbers
    after, _ = actor(seen(observations))
    np.testing.assert_array_equal(before, after)


def test_execution_is_decentralised(continuous_spec):
    actor = actor_of(continuous_spec)
    observations = random_observations(continuous_spec)
    before, _ = actor(seen(observations))
    observations[:, 1, :3] += 1.0
    after, _ = actor(seen(observations))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert not np.allclose(before[:, 1], after[:, 1])


def test_agents_differ_by_their_bias_alone(continuous_spec):
    spec = dataclasses.replace(
        continuous_spec,
        observation_dims=(4, 4),
        action_dims=(2, 2),
        action_low=((-1.0, -1.0),) * 2,
        action_high=((1.0, 1.0),) * 2,
    )
    actor = actor_of(spec)
    same = np.repeat(np.random.default_rng(0).normal(size=(3, 1, 4)), 2, axis=1)
    actions, _ = actor(seen(same))
    assert not np.allclose(actions[:, 0], actions[:, 1])
    actor._agent_bias.assign(tf.zeros_like(actor._agent_bias))
    actions, _ = actor(seen(same))
    np.testing.assert_allclose(actions[:, 0], actions[:, 1], rtol=1e-6)


def test_standardisation_is_folded_in(continuous_spec):
    mean = np.full((2, 4), 2.0, np.float32)
    std = np.full((2, 4), 4.0, np.float32)
    plain = actor_of(continuous_spec)
    folded = actor_of(continuous_spec, observation_mean=mean, observation_std=std)
    observations = random_observations(continuous_spec)
    raw = (observations * 4.0 + 2.0) * continuous_spec.observation_mask
    np.testing.assert_allclose(folded(seen(raw))[0], plain(seen(observations))[0], atol=1e-6)
    trained = {variable.ref() for variable in folded.trainable_variables}
    assert folded._mean.ref() not in trained
    assert folded._std.ref() not in trained


def test_illegal_and_padded_logits_are_masked(discrete_spec):
    spec = dataclasses.replace(discrete_spec, action_dims=(4, 4, 3))
    actor = actor_of(spec)
    legal = np.ones((5, 3, 4), bool)
    legal[:, 0, 2] = False
    logits, _ = actor(seen(random_observations(spec), legal))
    assert np.all(logits.numpy()[:, 0, 2] == np.float32(ILLEGAL_LOGIT))
    assert np.all(logits.numpy()[:, 2, 3] == np.float32(ILLEGAL_LOGIT))
    assert np.all(logits.numpy()[:, 1] > -100)


def test_agent_layers_repeat_the_actor(continuous_spec):
    rng = np.random.default_rng(3)
    actor = actor_of(
        continuous_spec,
        observation_mean=rng.normal(size=(2, 4)),
        observation_std=rng.uniform(0.5, 2.0, (2, 4)),
    )
    observations = random_observations(continuous_spec)
    expected = actor.outputs(tf.constant(observations)).numpy()
    for agent in range(2):
        hidden = observations[:, agent, : continuous_spec.observation_dims[agent]]
        *hidden_layers, last = actor.agent_layers(agent)
        for kernel, bias in hidden_layers:
            hidden = np.maximum(hidden @ kernel + bias, 0.0)
        out = hidden @ last[0] + last[1]
        width = continuous_spec.action_dims[agent]
        np.testing.assert_allclose(out, expected[:, agent, :width], atol=1e-5)


def test_critic_by_hand(continuous_spec):
    critic = TwinCritic(
        continuous_spec, 1, 1, "none", seed=0, state_mean=np.ones(5), state_std=np.full(5, 2.0)
    )
    critic.create_variables()
    for scale, member in enumerate(critic._members, start=1):
        kernel, bias, out, out_bias = member.variables
        kernel.assign(np.full((9, 1), scale))
        bias.assign([1.0])
        out.assign([[3.0]])
        out_bias.assign([-1.0])
    state = tf.constant([[3.0, 1.0, 1.0, 1.0, 1.0]])  # standardised: 1, 0, 0, 0, 0
    actions = tf.constant([[[0.5, -0.25], [1.0, 0.0]]])
    total = 1.0 + 0.5 - 0.25 + 1.0
    q, _ = critic((state, actions))
    np.testing.assert_allclose(q, [[3 * (total + 1) - 1, 3 * (2 * total + 1) - 1]])
    np.testing.assert_allclose(critic.first(state, actions), [3 * (total + 1) - 1])


def test_critic_ignores_padded_actions(continuous_spec):
    critic = critic_of(continuous_spec)
    state = tf.ones((2, 5))
    actions = np.zeros((2, 2, 2), np.float32)
    before, _ = critic((state, tf.constant(actions)))
    actions[:, 1, 1] = 9.0  # agent b has one action dimension
    after, _ = critic((state, tf.constant(actions)))
    np.testing.assert_array_equal(before, after)
    assert not np.allclose(before[:, 0], before[:, 1])  # twins, not copies


def test_copies_begin_equal_and_share_nothing(continuous_spec):
    critic = critic_of(continuous_spec)
    copy = critic.copy(name="Other")
    copy.create_variables()
    for ours, theirs in zip(critic.variables, copy.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours is not theirs
