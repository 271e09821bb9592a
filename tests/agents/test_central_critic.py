import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.critic import TwinCritic


def fixed_targets(agent, q):
    """Replace the target critic by given values, (B, 2)."""
    agent._target_critic = lambda inputs: (tf.constant(q), ())


def test_targets_by_hand(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", rewards=(1.0, 2.0), gamma=0.5)
    fixed_targets(agent, [[4.0, 6.0], [8.0, 2.0], [4.0, 4.0]])
    experience = make_experience(
        continuous_spec,
        3,
        rewards=np.array([3.0, 1.0, 3.0], np.float32),
        terminals=np.array([0.0, 0.0, 1.0], np.float32),
    )
    # (r - 1) / 2 + .5 * the smaller twin, and no bootstrap past the ending.
    np.testing.assert_allclose(agent.targets(experience), [1 + 2, 0 + 1, 1 + 0])


def test_smoothing_is_clipped_and_within_bounds(continuous_spec, make_agent):
    agent = make_agent(continuous_spec, "matd3bc", target_noise=5.0, target_noise_clip=0.25)
    actions = np.zeros((500, 2, 2), np.float32)
    actions[:, 0, 0] = 0.9
    smoothed = agent._smoothed(tf.constant(actions)).numpy()
    assert smoothed[:, 0, 0].max() == pytest.approx(1.0)
    assert smoothed[:, 0, 0].min() == pytest.approx(0.65)
    assert np.abs(smoothed[:, 0, 1]).max() == pytest.approx(0.25)
    assert np.all(smoothed[:, 1, 1] == 0.0)


def test_draws_are_functions_of_seed_and_step(continuous_spec, make_agent):
    agent = make_agent(continuous_spec, "matd3bc")
    first = agent.draw_seed("a").numpy()
    np.testing.assert_array_equal(first, agent.draw_seed("a").numpy())
    assert first.tolist() != agent.draw_seed("b").numpy().tolist()
    agent.train_step_counter.assign_add(1)
    assert first.tolist() != agent.draw_seed("a").numpy().tolist()


def test_targets_begin_equal_and_follow_slowly(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", tau=0.25, actor_every=1)
    start = [variable.numpy() for variable in agent._target_critic.trainable_variables]
    for source, target in zip(agent.critic.variables, start, strict=False):
        assert source.shape == target.shape
    agent.train(make_experience(continuous_spec, 8))
    for before, source, target in zip(
        start,
        agent.critic.trainable_variables,
        agent._target_critic.trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(target, 0.75 * before + 0.25 * source.numpy(), atol=1e-6)


def test_actor_moves_every_so_many_steps(continuous_spec, make_agent, make_experience):
    agent = make_agent(continuous_spec, "matd3bc", actor_every=3)
    experience = make_experience(continuous_spec, 8)
    moved, losses = [], []
    for _ in range(6):
        before = [variable.numpy() for variable in agent.actor.trainable_variables]
        losses.append(float(agent.train(experience).extra.actor_loss))
        after = agent.actor.trainable_variables
        moved.append(any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)))
    assert moved == [True, False, False, True, False, False]
    assert losses[0] == losses[1] == losses[2] != losses[3]


def test_gradient_clip_bounds_a_step(continuous_spec, make_agent, make_experience):
    experience = make_experience(continuous_spec, 8, rewards=np.full(8, 1e6, np.float32))
    agent = make_agent(continuous_spec, "matd3bc", gradient_clip=1e-9)
    agent._critic_optimizer = tf.keras.optimizers.legacy.SGD(1.0)
    before = [variable.numpy() for variable in agent.critic.trainable_variables]
    agent.train(experience)
    for old, new in zip(before, agent.critic.trainable_variables, strict=True):
        np.testing.assert_allclose(old, new, atol=1e-8)


def test_networks_kept(continuous_spec, make_agent):
    agent = make_agent(continuous_spec, "macql")
    assert set(agent.networks) == {"actor", "critic"}
    assert isinstance(agent.critic, TwinCritic)
    assert set(make_agent(continuous_spec, "bc").networks) == {"actor"}
