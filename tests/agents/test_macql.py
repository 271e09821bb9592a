import math

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.macql import Draws
from logo_tf.agents.picked_rows import PickedRows


def test_conservative_term_by_hand(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "macql", cql_alpha=2.0, cql_states=1, gamma=0.0)
    drawn = tf.constant([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    density = tf.constant([[math.log(0.5), math.log(0.25)]])
    agent.draws = lambda experience, rows: Draws(drawn, density)
    # Q_1 is the first agent's first action, Q_2 nothing.
    agent._critic = lambda inputs: (
        tf.stack([inputs[1][:, 0, 0], tf.zeros_like(inputs[1][:, 0, 0])], axis=-1),
        (),
    )
    actions = np.zeros((1, 2, 2), np.float32)
    actions[0, 0, 0] = 0.5
    experience = make_experience(
        continuous_spec, 1, actions=actions, rewards=np.zeros(1, np.float32)
    )
    terms = agent.critic_terms(experience, None)
    gap_1 = math.log((math.exp(1.0) * 2 + math.exp(0.0) * 4) / 2) - 0.5
    gap_2 = math.log((2 + 4) / 2)
    assert float(terms.conservative) == pytest.approx(gap_1 + gap_2, rel=1e-5)
    assert float(terms.loss) == pytest.approx(0.25 + 2.0 * (gap_1 + gap_2), rel=1e-5)


def test_values_fall_on_imagined_rows_and_rise_on_real_ones_by_hand(
    continuous_spec, make_agent, make_experience
):
    agent = make_agent(
        continuous_spec, "macql", cql_alpha=2.0, cql_states=4, cql_rows="imagined", gamma=0.0
    )
    drawn = np.zeros((2, 2, 2, 2), np.float32)
    drawn[:, 0, 0, 0] = [1.0, -1.0]  # the first of two draws on either imagined row
    asked = []

    def draws(experience, picked):
        asked.extend(picked.rows.numpy())
        return Draws(tf.constant(drawn), tf.math.log([[0.5, 0.25], [0.5, 0.25]]))

    agent.draws = draws
    # Q_1 is the first agent's first action, Q_2 nothing.
    agent._critic = lambda inputs: (
        tf.stack([inputs[1][:, 0, 0], tf.zeros_like(inputs[1][:, 0, 0])], axis=-1),
        (),
    )
    actions = np.zeros((4, 2, 2), np.float32)
    actions[:, 0, 0] = [0.5, 0.1, 0.9, -0.7]
    experience = make_experience(
        continuous_spec, 4, [0, 0, 1, 1], actions=actions, rewards=np.zeros(4, np.float32)
    )
    terms = agent.critic_terms(experience, None)
    assert asked == [2, 3]
    down = np.mean([math.log((2 * math.exp(a) + 4) / 2) for a in (1.0, -1.0)])
    gap = (down - (0.5 + 0.1) / 2) + math.log((2 + 4) / 2)
    assert float(terms.conservative) == pytest.approx(gap, rel=1e-5)
    squares = (0.25 + 0.01 + 0.81 + 0.49) / 4
    assert float(terms.loss) == pytest.approx(squares + 2.0 * gap, rel=1e-5)


@pytest.mark.parametrize("cql_rows", ["all", "real"])
def test_on_real_rows_the_gap_is_that_of_each_row(
    continuous_spec, make_agent, make_experience, cql_rows
):
    agent = make_agent(continuous_spec, "macql", cql_states=4, cql_rows=cql_rows)
    experience = make_experience(continuous_spec, 8)
    rows = [0, 2, 4, 6]
    draws = agent.draws(experience, PickedRows.alone(tf.constant(rows)))
    gaps = []
    for place, row in enumerate(rows):
        state = experience.time_step.observation["state"][row : row + 1]
        logged, _ = agent.critic((state, experience.action_step.action[row : row + 1]))
        sampled, _ = agent.critic((tf.repeat(state, 6, axis=0), draws.actions[place]))
        ratios = np.exp(sampled - draws.log_density[place][:, None])
        gaps.append(np.log(ratios.mean(axis=0)) - logged[0])
    found = float(agent.critic_terms(experience, None).conservative)
    assert found == pytest.approx(np.mean(gaps, axis=0).sum(), rel=1e-4)


def test_draws_are_within_bounds_with_their_densities(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "macql", cql_actions=3, cql_sigma=0.5)
    experience = make_experience(continuous_spec, 4)
    draws = agent.draws(experience, PickedRows.alone(tf.constant([0, 2])))
    actions = draws.actions.numpy()
    assert actions.shape == (2, 9, 2, 2)
    assert draws.log_density.shape == (2, 9)
    every = agent.agent_draws(experience, PickedRows.alone(tf.constant([0, 2])))
    np.testing.assert_array_equal(every.actions, actions)
    uniform = [-2 * math.log(2), -math.log(2)]
    np.testing.assert_allclose(every.log_density[:, :3], [[uniform] * 3] * 2, rtol=1e-6)
    assert np.abs(actions).max() <= 1.0
    assert np.all(actions[:, :, 1, 1] == 0.0)
    # Uniform over three real dimensions of width 2.
    np.testing.assert_allclose(draws.log_density[:, :3], -3 * math.log(2), rtol=1e-6)
    # The density of draws that were not cut can be had from the draws themselves.
    policy, _ = agent.actor(experience.time_step.observation)
    centre = policy.numpy()[[0, 2]][:, None]
    z = (actions[:, 3:6] - centre) / 0.5
    inside = np.abs(actions[:, 3:6]).max(axis=(-2, -1)) < 1.0
    expected = -0.5 * (z**2).sum((-2, -1)) - 3 * (math.log(0.5) + 0.5 * math.log(2 * math.pi))
    assert inside.any()
    np.testing.assert_allclose(
        draws.log_density.numpy()[:, 3:6][inside], expected[inside], rtol=1e-4
    )


def test_no_gradient_flows_into_the_draws(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "macql")
    with tf.GradientTape() as tape:
        experience = make_experience(continuous_spec, 4)
        total = tf.reduce_sum(agent.draws(experience, PickedRows.alone(tf.range(2))).actions)
    gradients = tape.gradient(total, agent.actor.trainable_variables)
    assert all(gradient is None for gradient in gradients)


def test_rows_spread_over_those_that_count(continuous_spec, make_agent):
    some = make_agent(continuous_spec, "macql", cql_states=4)
    assert some.spread_rows(tf.ones(8)).rows.numpy().tolist() == [0, 2, 4, 6]
    half = tf.constant([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert some.spread_rows(half).rows.numpy().tolist() == [4, 5, 6, 7]
    assert some.spread_rows(half[:6]).rows.numpy().tolist() == [4, 5]
    assert some.spread_rows(tf.zeros(3)).rows.numpy().tolist() == []
    many = make_agent(continuous_spec, "macql", cql_states=99)
    assert many.spread_rows(tf.ones(8)).rows.numpy().tolist() == list(range(8))


def test_imagined_rows_can_be_left_out(continuous_spec, make_agent, make_experience):
    imagined = make_experience(continuous_spec, 4, synthetic=[1, 1, 1, 1])
    agent = make_agent(continuous_spec, "macql", cql_rows="real")
    assert float(agent.critic_terms(imagined, None).conservative) == 0.0
    agent = make_agent(continuous_spec, "macql", cql_rows="all")
    assert float(agent.critic_terms(imagined, None).conservative) != 0.0


def test_actor_follows_the_value_alone(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "macql")
    agent._critic.first = lambda state, actions: -4.0 + tf.reduce_sum(actions[:, 0], axis=-1)
    for variable in agent.actor.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    terms = agent.actor_terms(make_experience(continuous_spec, 3), None)
    assert float(terms.loss) == pytest.approx(1.0)  # -(-4) / |-4|
    assert float(terms.q) == pytest.approx(-4.0)
    assert float(terms.cloning) > 0.0


@pytest.mark.slow
def test_training_lowers_the_gap(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "macql", cql_alpha=5.0, critic_learning_rate=0.01)
    actions = np.zeros((8, 2, 2), np.float32)
    experience = make_experience(continuous_spec, 8, actions=actions)
    step = tf.function(agent.train)
    first = float(step(experience).extra.conservative)
    for _ in range(25):
        last = float(step(experience).extra.conservative)
    assert last < first
