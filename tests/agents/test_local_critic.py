import numpy as np
import tensorflow as tf

from logo_tf.agents.local_critic import LocalCritic


def _critic(spec, **kwargs):
    critic = LocalCritic(spec, 4, 1, seed=1, **kwargs)
    critic.create_variables()
    return critic


def test_a_critic_by_hand(continuous_spec):
    """2 relu(1 + 2 (0.5 - 0.25) + 3) - 1, and for b, of one dimension, 2 relu(1 + 2 + 3) - 1."""
    critic = LocalCritic(continuous_spec, 1, 1, seed=0)
    critic.create_variables()
    for variable in critic.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    critic._action.kernel.assign([[2.0], [2.0]])
    critic._action.bias.assign([3.0])
    critic._value.kernel.assign([[2.0]])
    critic._value.bias.assign([-1.0])
    actions = tf.constant([[[0.5, -0.25], [1.0, 77.0]]])
    np.testing.assert_allclose(critic.values(tf.ones((1, 2, 1)), actions), [[8.0, 11.0]])


def test_a_window_is_valued_as_its_rows_are(continuous_spec):
    critic = _critic(continuous_spec, memory=3)
    rng = np.random.default_rng(0)
    rows = tf.constant(rng.normal(size=(5, 3, 2, 4)), tf.float32)
    actions = tf.constant(rng.uniform(-1, 1, (5, 3, 2, 2)), tf.float32)
    features, memories = critic.unroll(rows, tf.ones((5, 3)))
    together = critic.values(features, actions)
    assert together.shape == (5, 3, 2)
    memory = tf.zeros((5, 2, 3))
    for t in range(3):
        seen = {"observations": rows[:, t], "legal_actions": tf.ones((5, 2, 0), tf.bool)}
        alone, memory = critic((seen, actions[:, t]), network_state=memory)
        np.testing.assert_allclose(together[:, t], alone, atol=1e-6)
        np.testing.assert_allclose(memories[:, t], memory, atol=1e-6)


def test_an_agent_is_valued_by_its_own(continuous_spec):
    critic = _critic(continuous_spec)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 1, 2, 4)).astype(np.float32)
    actions = rng.uniform(-1, 1, (5, 1, 2, 2)).astype(np.float32)

    def values():
        features, _ = critic.unroll(tf.constant(rows), tf.ones((5, 1)))
        return critic.values(features, tf.constant(actions)).numpy()

    before = values()
    rows[:, :, 1, :3] += 1.0
    actions[:, :, 1, 0] *= -1.0
    after = values()
    np.testing.assert_array_equal(before[..., 0], after[..., 0])
    assert not np.allclose(before[..., 1], after[..., 1])


def test_copies_share_nothing(continuous_spec):
    critic = _critic(continuous_spec)
    copy = critic.copy(name="Other")
    copy.create_variables()
    assert len(critic.trainable_variables) == 9
    for ours, theirs in zip(critic.variables, copy.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours is not theirs
