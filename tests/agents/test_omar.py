import math

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.omar import refitted
from logo_tf.agents.picked_rows import PickedRows


@pytest.fixture
def agent(make_agent, continuous_spec):
    return make_agent(continuous_spec, "omar", omar_weight=0.25, cql_states=2)


def _towards(agent, place):
    """Q_1 = -(squared distance of the joint action from ``place``, (2, 2))."""
    agent._critic.first = lambda state, actions: (
        -tf.reduce_sum(tf.square(actions - tf.constant(place, tf.float32)), axis=(1, 2))
    )


def test_one_agent_does_its_own_beside_the_policys_others(agent):
    agent._critic.first = lambda state, actions: (
        state[:, 0] + actions[:, 0, 0] + 10 * actions[:, 0, 1] + 100 * actions[:, 1, 0]
    )
    state = tf.constant([[1000.0] * 5, [2000.0] * 5])
    policy = tf.constant([[[1.0, 2.0], [3.0, 0.0]]] * 2)
    own = tf.constant([[[[4.0, 5.0], [6.0, 0.0]], [[7.0, 8.0], [9.0, 0.0]]]] * 2)
    first = [[1354.0, 1621.0], [1387.0, 1921.0]]
    found = agent.counterfactual(state, policy, own)
    np.testing.assert_allclose(found, [first, np.add(first, 1000)])


def test_a_round_is_fitted_by_hand():
    """Weights 1/4 and 3/4: mean 0.5, mean square around it (1.5^2 + 0.5^2) / 2 = 1.25."""
    drawn = tf.constant([[[[-1.0, 0.0]], [[1.0, 0.0]]]])
    q = tf.constant([[[0.0], [2 * math.log(3)]]])
    mean, spread = refitted(drawn, q, beta=2.0)
    np.testing.assert_allclose(mean, [[[0.5, 0.0]]], rtol=1e-6)
    np.testing.assert_allclose(spread, [[[math.sqrt(1.25), 0.0]]], rtol=1e-6)


def test_the_better_of_the_policy_and_the_draws_is_kept(make_agent, continuous_spec):
    """All draws are 0: better for b, and not for a."""
    agent = make_agent(continuous_spec, "omar", omar_sigma=1e-9, omar_rounds=1)
    _towards(agent, [[0.6, 0.6], [0.1, 0.0]])
    policy = tf.constant([[[0.5, 0.5], [0.9, 0.0]]])
    best = agent.rectified(tf.zeros((1, 5)), policy, PickedRows.alone(tf.range(1)))
    np.testing.assert_allclose(best, [[[0.5, 0.5], [0.0, 0.0]]], atol=1e-6)


def test_no_agent_is_sent_where_it_is_worse(make_agent, continuous_spec):
    agent = make_agent(continuous_spec, "omar", omar_samples=20)
    place = [[0.3, -0.4], [1.5, 0.0]]
    _towards(agent, place)
    rng = np.random.default_rng(0)
    policy = rng.uniform(-1, 1, (50, 2, 2)).astype(np.float32)
    policy[:, 1, 1] = 0.0
    best = agent.rectified(
        tf.zeros((50, 5)), tf.constant(policy), PickedRows.alone(tf.range(50))
    ).numpy()
    missed, before = (np.square(x - place).sum(axis=-1) for x in (best, policy))
    assert np.all(missed <= before)
    assert np.mean(missed) < 0.4 * np.mean(before)
    assert np.abs(best).max() <= 1.0
    assert not best[:, 1, 1].any()


def test_actor_loss_by_hand(agent, continuous_spec, make_experience):
    """-0.75 (-4) / 4 + 0.25 (1 + 1 + 4) / 5 of the living agents' real dimensions, in two rows."""
    for variable in agent.actor.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    agent._critic.first = lambda state, actions: -4.0 + 0 * actions[:, 0, 0]
    best = np.zeros((2, 2, 2), np.float32)
    best[0] = [[1.0, 1.0], [50.0, 9.0]]  # agent b is dead in row 0
    best[1] = [[0.0, 0.0], [2.0, 9.0]]
    agent.rectified = lambda state, policy, picked: tf.constant(best)
    alive = np.array([[1, 0], [1, 1], [1, 1], [1, 1]], np.float32)
    experience = make_experience(continuous_spec, 4, agent_mask=alive)
    assert agent.spread_rows(tf.ones(4)).rows.numpy().tolist() == [0, 2]
    terms = agent.actor_terms(experience, None)
    assert float(terms.q) == pytest.approx(-4.0)
    assert float(terms.loss) == pytest.approx(0.75 + 0.25 * 6 / 5)
    weighed = agent.actor_terms(experience, tf.constant([0.0, 1.0, 1.0, 1.0]))
    assert float(weighed.loss) == pytest.approx(0.75 + 0.25 * 4 / 3)


def test_with_all_weight_on_the_search_no_value_is_climbed(
    make_agent, continuous_spec, make_experience
):
    """Where nothing better was found, nothing moves the actor, however steep the value."""
    agent = make_agent(continuous_spec, "omar", omar_weight=1.0)
    agent._critic.first = lambda state, actions: 1e3 * tf.reduce_sum(actions, axis=(1, 2))
    agent.rectified = lambda state, policy, picked: policy
    with tf.GradientTape() as tape:
        loss = agent.actor_terms(make_experience(continuous_spec, 4), None).loss
    gradients = tape.gradient(loss, agent.actor.trainable_variables)
    assert all(not np.any(gradient) for gradient in gradients)
