import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from logo_tf.agents.experience import (
    experience_spec,
    experience_stream,
    imagined_share,
    to_experience,
)


def test_matches_its_spec(continuous_spec, discrete_spec, make_experience):
    for spec in (continuous_spec, discrete_spec):
        experience = make_experience(spec, rows=3)
        tf.nest.assert_same_structure(experience, experience_spec(spec))
        for value, one in zip(
            tf.nest.flatten(experience), tf.nest.flatten(experience_spec(spec)), strict=True
        ):
            assert value.shape == (3, *one.shape)
            assert value.dtype == one.dtype


def test_terminals_become_discounts(continuous_spec, make_experience):
    experience = make_experience(
        continuous_spec, 3, terminals=np.array([0.0, 1.0, 0.0], np.float32)
    )
    after = experience.next_time_step
    assert after.discount.numpy().tolist() == [1.0, 0.0, 1.0]
    assert after.step_type.numpy().tolist() == [ts.StepType.MID, ts.StepType.LAST, ts.StepType.MID]


def test_streams_join_with_flags(continuous_spec, make_transitions):
    real = tf.data.Dataset.from_tensors(make_transitions(continuous_spec, 3, seed=1))
    imagined = tf.data.Dataset.from_tensors(make_transitions(continuous_spec, 2, seed=2))
    ((experience, info),) = list(experience_stream(real, imagined))
    assert info == ()
    assert experience.action_step.info["synthetic"].numpy().tolist() == [0, 0, 0, 1, 1]
    expected = to_experience(make_transitions(continuous_spec, 3, seed=1), tf.zeros(3), tf.ones(3))
    np.testing.assert_array_equal(
        experience.next_time_step.reward[:3], expected.next_time_step.reward
    )
    ((alone, _),) = list(experience_stream(real))
    assert alone.action_step.info["synthetic"].numpy().tolist() == [0, 0, 0]


def test_imagined_rows_are_drawn_when_asked_for(continuous_spec, make_transitions):
    # A refresh between two steps must show in the second: nothing may be drawn ahead.
    rows = make_transitions(continuous_spec, 2)
    reward = tf.Variable(1.0)
    imagined = tf.data.Dataset.counter().map(
        lambda _: rows._replace(rewards=tf.fill([2], reward.read_value()))
    )
    real = tf.data.Dataset.from_tensors(rows).repeat()
    stream = iter(experience_stream(real, imagined))
    for value in (1.0, 2.0, 3.0):
        reward.assign(value)
        experience, _ = next(stream)
        assert experience.next_time_step.reward[-1] == value


def test_windows_join_with_flags_after_their_context(continuous_spec, make_transitions):
    def windows(rows, seed):
        flat = make_transitions(continuous_spec, rows * 3, seed=seed)
        return tf.nest.map_structure(lambda x: tf.reshape(x, (rows, 3, *x.shape[1:])), flat)

    streams = (
        tf.data.Dataset.from_tensors((windows(1, 1), tf.constant([[0.0, 1.0, 1.0]]))),
        tf.data.Dataset.from_tensors((windows(1, 2), tf.constant([[1.0, 1.0, 0.0]]))),
    )
    ((experience, _),) = list(experience_stream(*streams, context=1))
    assert experience.action_step.info["synthetic"].numpy().tolist() == [[0, 0, 0], [0, 1, 1]]
    assert experience.action_step.info["inside"].numpy().tolist() == [[0, 1, 1], [1, 1, 0]]
    assert experience.time_step.observation["state"].shape == (2, 3, 5)


def test_the_imagined_share_is_of_rows_that_count(continuous_spec, make_experience, make_windows):
    rows = make_experience(continuous_spec, 4, synthetic=[0, 0, 0, 1])
    assert float(imagined_share(rows, 0)) == 0.25
    # After a row of burn-in: two real rows, one of them outside, and two imagined ones.
    windows = make_windows(
        continuous_spec, [[1, 1, 0], [1, 1, 1]], synthetic=[[0, 0, 0], [0, 1, 1]]
    )
    np.testing.assert_allclose(imagined_share(windows, 1), 2 / 3, rtol=1e-6)
