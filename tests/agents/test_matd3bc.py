import numpy as np
import pytest
import tensorflow as tf


def constant_critic(agent, value):
    """Q_1 = value + the sum of the first agent's unit actions."""
    agent._critic.first = lambda state, actions: value + tf.reduce_sum(actions[:, 0], axis=-1)


def test_actor_loss_by_hand(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", q_weight=2.5)
    for variable in agent.actor.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    constant_critic(agent, -4.0)
    actions = np.zeros((2, 2, 2), np.float32)
    actions[0, 0] = [1.0, 1.0]
    actions[1, 0] = [0.5, 0.5]
    experience = make_experience(continuous_spec, 2, synthetic=[0, 1], actions=actions)
    terms = agent.actor_terms(experience, None)
    # The imagined row counts for the value and not for cloning.
    assert float(terms.cloning) == pytest.approx(2 / 3)
    assert float(terms.q) == pytest.approx(-4.0)
    assert float(terms.loss) == pytest.approx(2 / 3 - 2.5 / 4.0 * -4.0)


def test_synthetic_flag_only_removes_cloning(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc")
    real = make_experience(continuous_spec, 4)
    imagined = make_experience(continuous_spec, 4, synthetic=[1, 1, 1, 1])
    ours, theirs = agent.loss(real).extra, agent.loss(imagined).extra
    assert float(theirs.cloning) == 0.0
    assert float(ours.cloning) > 0.0
    assert float(ours.critic_loss) == float(theirs.critic_loss)
    assert float(ours.q_policy) == float(theirs.q_policy)


def test_critic_loss_by_hand(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", gamma=0.0)
    agent._critic = lambda inputs: (tf.constant([[1.0, 2.0], [0.0, 0.0]]), ())
    experience = make_experience(continuous_spec, 2, rewards=np.array([0.0, 3.0], np.float32))
    terms = agent.critic_terms(experience, None)
    assert float(terms.loss) == pytest.approx(((1 + 4) + (9 + 9)) / 2)
    assert float(terms.td_error) == pytest.approx((1.5 + 3.0) / 2)
    assert float(terms.q) == pytest.approx(0.75)
    assert float(terms.conservative) == 0.0


def test_weighted_rows(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", target_noise=0.0)
    both = make_experience(continuous_spec, 2)
    parts = [float(agent.critic_terms(both, tf.constant(w)).loss) for w in ([1.0, 0.0], [0.0, 1.0])]
    whole = float(agent.critic_terms(both, None).loss)
    assert whole == pytest.approx(sum(parts) / 2, rel=1e-5)


@pytest.mark.slow
def test_learns_the_better_action(continuous_spec, make_agent, make_experience):
    # Reward is the first agent's first action; the data cover all of it.
    agent = make_agent(
        continuous_spec,
        "matd3bc",
        width=32,
        gamma=0.0,
        actor_every=1,
        q_weight=5.0,
        critic_learning_rate=0.01,
        actor_learning_rate=0.01,
    )
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (64, 2, 2)).astype(np.float32)
    actions[:, 1, 1] = 0.0
    experience = make_experience(
        continuous_spec, 64, actions=actions, rewards=actions[:, 0, 0].copy()
    )
    step = tf.function(agent.train)
    for _ in range(150):
        step(experience)
    chosen, _ = agent.actor(experience.time_step.observation)
    assert float(tf.reduce_mean(chosen[:, 0, 0])) > 0.5
