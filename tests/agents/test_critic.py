import numpy as np
import tensorflow as tf

from logo_tf.agents.critic import TwinCritic


def critic_of(spec, norm="layer", **kwargs):
    critic = TwinCritic(spec, 8, 2, norm, seed=1, **kwargs)
    critic.create_variables()
    return critic


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
