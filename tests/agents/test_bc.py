import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.team_policy import greedy_actions


def zero_outputs(agent):
    for variable in agent.actor.trainable_variables:
        variable.assign(tf.zeros_like(variable))


def test_continuous_loss_by_hand(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "bc")
    zero_outputs(agent)  # so that every action is 0, the centre of the bounds
    actions = np.zeros((2, 2, 2), np.float32)
    actions[0] = [[1.0, 0.5], [-1.0, 0.0]]
    experience = make_experience(continuous_spec, 2, actions=actions)
    info = agent.loss(experience)
    # Three real dimensions in each of two rows.
    assert float(info.loss) == pytest.approx((1 + 0.25 + 1) / 6)
    assert float(info.extra.cloning) == float(info.loss)


def test_imagined_rows_and_dead_agents_are_not_cloned(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "bc")
    zero_outputs(agent)
    actions = np.zeros((2, 2, 2), np.float32)
    actions[0, 0] = [1.0, 1.0]
    actions[1] = 0.7
    alive = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    experience = make_experience(
        continuous_spec, 2, synthetic=[0, 1], actions=actions, agent_mask=alive
    )
    assert float(agent.loss(experience).loss) == pytest.approx((1 + 1) / 2)


def test_padded_action_dimensions_do_not_count(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "bc")
    actions = np.zeros((2, 2, 2), np.float32)
    before = float(agent.loss(make_experience(continuous_spec, 2, actions=actions)).loss)
    actions[:, 1, 1] = 5.0
    assert float(agent.loss(make_experience(continuous_spec, 2, actions=actions)).loss) == before


def test_row_weights(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "bc")
    both = make_experience(continuous_spec, 2)
    first = agent.loss(both, weights=tf.constant([1.0, 0.0])).loss
    second = agent.loss(both, weights=tf.constant([0.0, 1.0])).loss
    assert float(agent.loss(both).loss) == pytest.approx(float(first + second) / 2, rel=1e-5)


def test_discrete_loss_by_hand(discrete_spec, make_agent, make_experience):
    agent = make_agent(discrete_spec, "bc")
    zero_outputs(agent)  # so that legal actions share the probability
    legal = np.zeros((1, 3, 4), bool)
    legal[0, 0, :2] = legal[0, 1, :3] = legal[0, 2, 0] = True
    experience = make_experience(
        discrete_spec,
        1,
        legal_actions=legal,
        actions=np.array([[1, 2, 0]], np.int32),
        agent_mask=np.array([[1.0, 1.0, 0.0]], np.float32),
    )
    assert float(agent.loss(experience).loss) == pytest.approx((np.log(2) + np.log(3)) / 2)


def test_training_learns_and_counts(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "bc", actor_learning_rate=0.01)
    experience = make_experience(continuous_spec, 16, actions=np.full((16, 2, 2), 0.5, np.float32))
    first = float(agent.train(experience).loss)
    for _ in range(30):
        last = float(agent.train(experience).loss)
    assert last < 0.3 * first
    assert int(agent.train_step_counter) == 31


def test_discrete_training_never_leaves_the_legal_actions(
    discrete_spec, make_agent, make_experience, make_transitions
):
    agent = make_agent(discrete_spec, "bc", actor_learning_rate=0.1)
    # The data always take action 1; where it is illegal, another legal one must be chosen.
    experience = make_experience(discrete_spec, 16)
    for _ in range(20):
        agent.train(experience)
    rng = np.random.default_rng(5)
    legal = rng.random((200, 3, 4)) < 0.4
    legal[np.arange(200), :, rng.integers(0, 4, 200)] = True
    observations = tf.constant(rng.normal(size=(200, 3, 4)) * 10, tf.float32)
    chosen, _ = greedy_actions(discrete_spec, agent.actor, observations, tf.constant(legal))
    chosen = chosen.numpy()
    assert chosen.dtype == np.int32
    assert np.all(np.take_along_axis(legal, chosen[..., None], axis=-1))
    assert np.all(chosen[legal[..., 1]] == 1)
