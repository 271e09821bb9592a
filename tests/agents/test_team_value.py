"""What each algorithm says a team may still earn, from its own networks, in raw units."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.offline_agent import RewardScale
from logo_tf.agents.team_policy import greedy_actions
from logo_tf.agents.team_value import NO_VALUE


def said(agent, rows, memory):
    return agent.team_value.estimate(rows.state, rows.observations, rows.legal_actions, memory)


def test_raw_values_by_hand():
    """Rewards of 3 for ever are (3 - 1) / 4 = 0.5, worth 0.5 / (1 - 0.9) = 5; raw, 30."""
    assert RewardScale(1.0, 4.0).raw_value(5.0, 0.9) == pytest.approx(30.0)
    assert RewardScale(0.0, 4.0).raw_value(5.0, 0.9) == pytest.approx(20.0)


@pytest.mark.parametrize("algorithm", ["matd3bc", "macql", "cfcql", "omar"])
def test_the_lower_critic_of_the_policys_actions(
    algorithm, continuous_spec, make_agent, make_transitions
):
    agent = make_agent(continuous_spec, algorithm, rewards=(1.0, 2.0), gamma=0.5)
    rows = make_transitions(continuous_spec, 5)
    actions, _ = greedy_actions(continuous_spec, agent.actor, rows.observations, rows.legal_actions)
    q = agent.critic((rows.state, actions))[0].numpy()
    value, memory = said(agent, rows, tf.zeros((5, 2, 0)))
    np.testing.assert_allclose(value, 2.0 * q.min(axis=-1) + 1.0 / 0.5, rtol=1e-5)
    assert memory.shape == (5, 2, 0)
    assert agent.team_value.memory_dim == 0


@pytest.mark.parametrize("algorithm", ["macql", "cfcql"])
def test_the_mixed_value_of_the_greedy_joint_action(
    algorithm, discrete_spec, make_agent, make_transitions
):
    agent = make_agent(discrete_spec, algorithm, rewards=(0.0, 2.0))
    rows, memory = make_transitions(discrete_spec, 5), tf.random.stateless_normal((5, 3, 4), (1, 2))
    utilities, after = agent.actor.outputs(rows.observations, memory)
    best = np.where(rows.legal_actions, utilities, -np.inf).max(axis=-1)
    mixer = agent.networks["mixer"]
    value, remembered = said(agent, rows, memory)
    expected = 2.0 * mixer((rows.state, tf.constant(best, tf.float32)))[0]
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_array_equal(remembered, after)
    # A legal action that is not the best one is worth no more to a monotone mixer.
    lowest = np.where(rows.legal_actions, utilities, np.inf).min(axis=-1)
    worse = 2.0 * mixer((rows.state, tf.constant(lowest, tf.float32)))[0]
    assert (worse.numpy() <= value.numpy() + 1e-5).all()


def test_icq_values_what_its_policy_does(discrete_spec, make_agent, make_transitions):
    agent = make_agent(discrete_spec, "icq")
    nets = agent.networks
    rows = make_transitions(discrete_spec, 5)
    memory = tf.random.stateless_normal((5, 3, 8), (1, 2))
    logits, ours = nets["actor"].outputs(rows.observations, memory[..., :4])
    utilities, theirs = nets["utilities"].outputs(rows.observations, memory[..., 4:])
    chosen = np.where(rows.legal_actions, logits, -np.inf).argmax(axis=-1)
    values = np.take_along_axis(utilities.numpy(), chosen[..., None], axis=-1)[..., 0]
    value, remembered = said(agent, rows, memory)
    np.testing.assert_allclose(value, nets["mixer"]((rows.state, values))[0], rtol=1e-5)
    np.testing.assert_array_equal(remembered, np.concatenate([ours, theirs], axis=-1))
    assert agent.team_value.memory_dim == 8


@pytest.mark.parametrize("memory_dim", [0, 4])
def test_icq_values_the_vectors_of_its_policy(
    memory_dim, continuous_spec, make_agent, make_transitions
):
    agent = make_agent(continuous_spec, "icq", memory=memory_dim)
    nets = agent.networks
    rows = make_transitions(continuous_spec, 5)
    memory = tf.random.stateless_normal((5, 2, 2 * memory_dim), (1, 2))
    before = memory[..., :memory_dim], memory[..., memory_dim:]
    actions, ours = greedy_actions(
        continuous_spec, agent.actor, rows.observations, rows.legal_actions, before[0]
    )
    seen = {"observations": rows.observations, "legal_actions": rows.legal_actions}
    values, theirs = nets["utilities"]((seen, actions), network_state=before[1])
    value, remembered = said(agent, rows, memory)
    np.testing.assert_allclose(value, nets["mixer"]((rows.state, values))[0], rtol=1e-5)
    np.testing.assert_array_equal(remembered, np.concatenate([ours, theirs], axis=-1))
    assert agent.team_value.memory_dim == 2 * memory_dim


def test_omiga_mixes_its_values_of_states(discrete_spec, make_agent, make_transitions):
    agent = make_agent(discrete_spec, "omiga")
    nets = agent.networks
    rows, memory = make_transitions(discrete_spec, 5), tf.random.stateless_normal((5, 3, 4), (1, 2))
    values, after = nets["values"].outputs(rows.observations, memory)
    value, remembered = said(agent, rows, memory)
    expected = nets["mixer"]((rows.state, values[..., 0]))[0]
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_array_equal(remembered, after)


def test_behaviour_cloning_has_none(continuous_spec, make_agent, make_transitions):
    agent = make_agent(continuous_spec, "bc")
    assert agent.team_value is None
    rows = make_transitions(continuous_spec, 5)
    value, _ = NO_VALUE.estimate(
        rows.state, rows.observations, rows.legal_actions, tf.zeros((5, 2, 0))
    )
    np.testing.assert_array_equal(value, np.zeros(5))
