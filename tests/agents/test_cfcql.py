import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.macql import Draws
from logo_tf.agents.picked_rows import PickedRows


def _softmax(values):
    shares = np.exp(values - np.max(values))
    return shares / shares.sum()


@pytest.fixture
def agent(make_agent, continuous_spec):
    return make_agent(
        continuous_spec, "cfcql", cql_alpha=2.0, cql_sigma=0.5, cfcql_temperature=0.8, gamma=0.0
    )


def test_shares_by_hand(agent, continuous_spec, make_experience):
    """KL_a = (0.6^2 + 0.8^2) / 0.5 = 2, KL_b = 0.5^2 / 0.5 of its one dimension; then b is dead."""
    for variable in agent.actor.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    actions = np.array([[[0.6, 0.8], [-0.5, 0.0]]] * 3, np.float32)
    actions[1, 1, 1] = 9.0  # padding
    alive = np.array([[1, 1], [1, 1], [1, 0]], np.float32)
    experience = make_experience(continuous_spec, 3, actions=actions, agent_mask=alive)
    shares = agent.shares(experience, tf.constant([0, 1, 2])).numpy()
    expected = _softmax(0.8 * np.array([2.0, 0.5]))
    np.testing.assert_allclose(shares, [expected, expected, [1.0, 0.0]], rtol=1e-5)


def test_one_agent_a_row_does_something_else(agent, continuous_spec, make_experience):
    experience = make_experience(continuous_spec, 4)
    rows, replaced = tf.constant([0, 3]), [1, 0]
    agent.drawn_agents = lambda experience, rows: tf.constant(replaced)
    picked = PickedRows.alone(rows)
    every, draws = agent.agent_draws(experience, picked), agent.draws(experience, picked)
    logged = experience.action_step.action.numpy()
    assert draws.actions.shape == every.actions.shape == (2, 6, 2, 2)
    for r, (row, i) in enumerate(zip(rows.numpy(), replaced, strict=True)):
        np.testing.assert_array_equal(draws.actions[r, :, i], every.actions[r, :, i])
        other = np.broadcast_to(logged[row, 1 - i], (6, 2))
        np.testing.assert_array_equal(draws.actions[r, :, 1 - i], other)
        np.testing.assert_allclose(draws.log_density[r], every.log_density[r, :, i])


def test_the_term_by_hand(agent, continuous_spec, make_experience):
    """The gaps of each agent, weighed by lambda, are what a row's drawn agent gives on average."""
    drawn = tf.constant([[[[1.0, 0.0], [0.2, 0.0]], [[0.0, 0.0], [-1.0, 0.0]]]])
    density = tf.constant([[[math.log(0.5), math.log(0.4)], [math.log(0.25), math.log(0.8)]]])
    agent.agent_draws = lambda experience, rows: Draws(drawn, density)
    # Q_1 is the first agent's first action and 10 times the second's, Q_2 nothing.
    agent._critic = lambda inputs: (
        tf.stack([inputs[1][:, 0, 0] + 10 * inputs[1][:, 1, 0], 0 * inputs[1][:, 0, 0]], axis=-1),
        (),
    )
    agent.spread_rows = lambda counts: PickedRows.alone(tf.constant([0]))
    actions = np.array([[[0.5, 0.0], [0.1, 0.0]]], np.float32)
    experience = make_experience(
        continuous_spec, 1, actions=actions, rewards=np.zeros(1, np.float32)
    )
    q = 0.5 + 1.0
    gaps = [
        math.log((math.exp(1.0 + 1.0) * 2 + math.exp(0.0 + 1.0) * 4) / 2) - q + math.log(3),
        math.log((math.exp(0.5 + 2.0) / 0.4 + math.exp(0.5 - 10.0) / 0.8) / 2)
        - q
        + math.log((1 / 0.4 + 1 / 0.8) / 2),
    ]
    for i, gap in enumerate(gaps):
        agent.drawn_agents = lambda experience, rows, i=i: tf.constant([i])
        terms = agent.critic_terms(experience, None)
        assert float(terms.conservative) == pytest.approx(gap, rel=1e-5)
        assert float(terms.loss) == pytest.approx(q**2 + 2.0 * gap, rel=1e-5)


def test_agents_are_drawn_by_their_shares(agent, continuous_spec, make_experience):
    experience = make_experience(continuous_spec, 4)
    shares = agent.shares(experience, tf.range(1)).numpy()[0]
    assert 0.1 < shares[0] < 0.9
    picked = PickedRows.alone(tf.zeros(4000, tf.int32))
    drawn = agent.drawn_agents(experience, picked).numpy()
    assert drawn.mean() == pytest.approx(shares[1], abs=0.03)


def test_no_gradient_flows_into_draws_and_shares(agent, continuous_spec, make_experience):
    experience = make_experience(continuous_spec, 4)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(agent.draws(experience, PickedRows.alone(tf.range(2))).actions)
        total += tf.reduce_sum(tf.square(agent.shares(experience, tf.range(2))))
    gradients = tape.gradient(total, agent.actor.trainable_variables)
    assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize(("algorithm", "dims"), [("macql", 12), ("cfcql", 2)])
def test_its_strength_does_not_grow_with_the_team(
    algorithm, dims, continuous_spec, make_agent, make_experience
):
    """Of values that are 0 everywhere the gap is the log volume of the actions that are drawn."""
    spec = dataclasses.replace(
        continuous_spec,
        agents=tuple("abcdef"),
        observation_dims=(4,) * 6,
        action_dims=(2,) * 6,
        action_low=((-1.0, -1.0),) * 6,
        action_high=((1.0, 1.0),) * 6,
    )
    agent = make_agent(spec, algorithm)
    agent._critic = lambda inputs: (tf.zeros((len(inputs[0]), 2)), ())
    every = agent.agent_draws

    def uniform(experience, rows):
        k = agent._setup.config.cql_actions
        return Draws(*(part[:, :k] for part in every(experience, rows)))

    agent.agent_draws = uniform
    gap = agent.critic_terms(make_experience(spec, 4), None).conservative
    assert float(gap) == pytest.approx(2 * dims * math.log(2), rel=1e-5)
