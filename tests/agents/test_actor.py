import dataclasses

import numpy as np
import tensorflow as tf

from logo_tf.agents.actor import ILLEGAL_LOGIT, TeamActor


def actor_of(spec, **kwargs):
    actor = TeamActor(spec, 8, 2, seed=1, **kwargs)
    actor.create_variables()
    return actor


def seen(observations, legal=None):
    observations = tf.constant(observations, tf.float32)
    if legal is None:
        legal = tf.zeros((*observations.shape[:2], 0), tf.bool)
    return {"observations": observations, "legal_actions": tf.constant(legal)}


def random_observations(spec, rows=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (rows, spec.num_agents, spec.observation_dim)
    return (rng.normal(size=shape) * spec.observation_mask).astype(np.float32)


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
    expected = actor.outputs(tf.constant(observations))[0].numpy()
    for agent in range(2):
        hidden = observations[:, agent, : continuous_spec.observation_dims[agent]]
        layers = actor.agent_layers(agent)
        assert layers.gru is None
        for kernel, bias in layers.hidden:
            hidden = np.maximum(hidden @ kernel + bias, 0.0)
        out = hidden @ layers.output[0] + layers.output[1]
        width = continuous_spec.action_dims[agent]
        np.testing.assert_allclose(out, expected[:, agent, :width], atol=1e-5)


def _rows(spec, count, length):
    return np.stack([random_observations(spec, count, t) for t in range(length)], axis=1)


def test_windows_unroll_as_single_steps_do(discrete_spec):
    actor = actor_of(discrete_spec, memory=3)
    rows = tf.constant(_rows(discrete_spec, 5, 4))
    together, memories = actor.unroll(rows, tf.ones((5, 4)))
    memory = tf.zeros((5, discrete_spec.num_agents, 3))
    for t in range(4):
        outputs, memory = actor.outputs(rows[:, t], memory)
        np.testing.assert_allclose(together[:, t], outputs, atol=1e-6)
        np.testing.assert_allclose(memories[:, t], memory, atol=1e-6)


def test_rows_of_no_episode_are_not_remembered(discrete_spec):
    actor = actor_of(discrete_spec, memory=3)
    rows = _rows(discrete_spec, 5, 3)
    _, memories = actor.unroll(tf.constant(rows), tf.constant([[0.0, 1.0, 0.0]] * 5))
    assert not memories[:, 0].numpy().any()
    _, alone = actor.unroll(tf.constant(rows[:, 1:2]), tf.ones((5, 1)))
    np.testing.assert_allclose(memories[:, 1], alone[:, 0], atol=1e-6)
    np.testing.assert_array_equal(memories[:, 2], memories[:, 1])


def test_an_agent_remembers_by_itself(discrete_spec):
    actor = actor_of(discrete_spec, memory=3)
    rows = _rows(discrete_spec, 2, 3)
    before, _ = actor.unroll(tf.constant(rows), tf.ones((2, 3)))
    rows[:, 0, 1] += 1.0  # what agent 1 saw first
    after, _ = actor.unroll(tf.constant(rows), tf.ones((2, 3)))
    np.testing.assert_array_equal(before[:, :, 0], after[:, :, 0])
    assert not np.allclose(before[:, 2, 1], after[:, 2, 1])


def test_without_a_memory_a_window_is_rows(discrete_spec):
    actor = actor_of(discrete_spec)
    rows = tf.constant(_rows(discrete_spec, 5, 2))
    together, memories = actor.unroll(rows, tf.ones((5, 2)))
    assert memories.shape == (5, 2, 3, 0)
    np.testing.assert_allclose(together[:, 1], actor.outputs(rows[:, 1])[0], atol=1e-6)
