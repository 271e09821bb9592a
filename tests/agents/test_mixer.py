import dataclasses

import numpy as np
import tensorflow as tf

from logo_tf.agents.mixer import LinearMixer, MonotonicMixer


def mixer_of(spec, width=4, **kwargs):
    mixer = MonotonicMixer(spec, width, 5, seed=1, **kwargs)
    mixer.create_variables()
    return mixer


def test_no_agent_lowers_the_team(discrete_spec):
    """dQ_tot / dQ_i >= 0 for a thousand states and values, whatever the weights."""
    mixer = mixer_of(discrete_spec)
    rng = np.random.default_rng(0)
    for variable in mixer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape, scale=2.0))
    state = tf.constant(rng.normal(size=(1000, discrete_spec.state_dim)), tf.float32)
    values = tf.constant(rng.normal(size=(1000, discrete_spec.num_agents)) * 5, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        q, _ = mixer((state, values))
    slopes = tape.gradient(q, values).numpy()
    assert slopes.min() >= 0
    assert slopes.max() > 0


def test_by_hand(discrete_spec):
    """One unit: |3| elu(|-2| (1 + 2 + 3) + 1) + 4 = 43, and elu(-11) for values of -1, -2, -3."""
    mixer = mixer_of(discrete_spec, width=1)
    for variable in mixer.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    mixer._first.layers[-1].bias.assign([-2.0, -2.0, -2.0])
    mixer._first_bias.bias.assign([1.0])
    mixer._second.layers[-1].bias.assign([3.0])
    mixer._value.layers[-1].bias.assign([4.0])
    state = tf.zeros((1, discrete_spec.state_dim))
    q = mixer.mix(state, tf.constant([[[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]]))
    np.testing.assert_allclose(q, [[43.0, 3 * (np.exp(-11) - 1) + 4]], rtol=1e-6)


def test_the_state_is_standardised(discrete_spec):
    s = discrete_spec.state_dim
    plain = mixer_of(discrete_spec)
    scaled = mixer_of(discrete_spec, state_mean=np.full(s, 3.0), state_std=np.full(s, 2.0))
    state = np.random.default_rng(0).normal(size=(4, s)).astype(np.float32)
    values = tf.ones((4, 2, discrete_spec.num_agents))
    np.testing.assert_allclose(
        plain.mix(tf.constant(state), values),
        scaled.mix(tf.constant(state * 2 + 3), values),
        rtol=1e-5,
    )


def test_any_number_of_agents(discrete_spec):
    many = dataclasses.replace(
        discrete_spec,
        agents=tuple("abcdefg"),
        observation_dims=(4,) * 7,
        action_dims=(4,) * 7,
        state_dim=40,
    )
    q = mixer_of(many).mix(tf.zeros((2, many.state_dim)), tf.zeros((2, 3, 7)))
    assert q.shape == (2, 3)


def test_a_linear_mixer_by_hand(discrete_spec):
    """|-2| 1 + |1| 2 + |0| 3 + 7 = 11, whatever the state."""
    mixer = LinearMixer(discrete_spec, 5, seed=0)
    mixer.create_variables()
    for variable in mixer.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    mixer._weights.bias.assign([-2.0, 1.0, 0.0])
    mixer._bias.bias.assign([7.0])
    state = tf.zeros((1, discrete_spec.state_dim))
    q, _ = mixer((state, tf.constant([[1.0, 2.0, 3.0]])))
    np.testing.assert_allclose(q, [11.0])
    np.testing.assert_allclose(mixer.weights_of(state[:, None]), [[[2.0, 1.0, 0.0]]])
