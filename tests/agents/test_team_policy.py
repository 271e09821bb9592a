import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from logo_tf.agents.team_policy import graph_policy, greedy_actions


def test_tf_policy_acts(continuous_spec, discrete_spec, make_agent, make_transitions):
    for spec in (continuous_spec, discrete_spec):
        agent = make_agent(spec, "bc")
        rows = make_transitions(spec, 3)
        seen = {"observations": rows.observations, "legal_actions": rows.legal_actions}
        step = agent.policy.action(ts.restart(seen, batch_size=3))
        expected, _ = greedy_actions(spec, agent.actor, rows.observations, rows.legal_actions)
        np.testing.assert_array_equal(step.action, expected)
        assert len(agent.policy.variables()) == len(agent.actor.variables)


def test_without_exploration_nothing_is_drawn(continuous_spec, make_agent, make_transitions):
    agent = make_agent(continuous_spec, "bc")
    rows = make_transitions(continuous_spec, 3)
    act = graph_policy(continuous_spec, agent.actor).act
    (one, _), (other, _) = (
        act(rows.observations, rows.legal_actions, (), tf.constant(s)) for s in ([0, 1], [2, 3])
    )
    np.testing.assert_array_equal(one, other)


def test_continuous_exploration(continuous_spec, make_agent, make_transitions):
    agent = make_agent(continuous_spec, "bc")
    rows = make_transitions(continuous_spec, 400)
    greedy, _ = greedy_actions(continuous_spec, agent.actor, rows.observations, rows.legal_actions)
    act = graph_policy(continuous_spec, agent.actor, 0.1).act
    seed = tf.constant([1, 2])
    noisy, again = (
        act(rows.observations, rows.legal_actions, (), seed)[0].numpy() for _ in range(2)
    )
    np.testing.assert_array_equal(noisy, again)
    assert np.abs(noisy).max() <= 1.0
    assert np.all(noisy[:, 1, 1] == 0.0)
    assert 0.08 < (noisy - greedy.numpy())[:, 0].std() < 0.12


def test_discrete_exploration_is_legal(discrete_spec, make_agent, make_transitions):
    agent = make_agent(discrete_spec, "bc")
    rows = make_transitions(discrete_spec, 400)
    greedy, _ = greedy_actions(discrete_spec, agent.actor, rows.observations, rows.legal_actions)
    act = graph_policy(discrete_spec, agent.actor, 0.5).act
    chosen = act(rows.observations, rows.legal_actions, (), tf.constant([3, 4]))[0].numpy()
    legal = rows.legal_actions.numpy()
    assert chosen.dtype == np.int32
    assert np.all(np.take_along_axis(legal, chosen[..., None], axis=-1))
    choice = legal.sum(axis=-1) > 1
    changed = (chosen != greedy.numpy())[choice].mean()
    assert 0.1 < changed < 0.5
