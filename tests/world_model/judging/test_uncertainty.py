"""What u knows: shifted actions, other behaviour."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.store import write_dataset
from logo_tf.errors import LogoError
from logo_tf.world_model.judging.foresight import draw_windows
from logo_tf.world_model.judging.uncertainty import (
    auc_held_out_behaviour,
    auc_other_actions,
    auc_shifted_actions,
    other_legal_actions,
)


def _says(model, uncertainty):
    """Make a model's u a function of (state, actions)."""
    step = model.step

    def spoken(state, observations, actions, agent_mask, memory=None):
        predicted = step(state, observations, actions, agent_mask, memory)
        return predicted._replace(uncertainty=uncertainty(state, tf.cast(actions, tf.float32)))

    model.step = spoken
    return model


def test_other_actions_are_legal_other_and_uniform(discrete_spec):
    legal = np.zeros((3000, 3, 4), bool)
    legal[:, 0, [1, 2]] = legal[:, 1, [0, 3]] = legal[:, 2, 0] = True
    legal[-1, :2] = [[False, True, False, False], [True, False, False, False]]
    logged = np.tile(np.array([[1, 0, 0]], np.int32), (3000, 1))
    other = other_legal_actions(logged, legal, discrete_spec, np.random.default_rng(0))
    np.testing.assert_array_equal(other[-1], logged[-1])  # nothing else was possible
    found, count = np.unique(other[:-1], axis=0, return_counts=True)
    np.testing.assert_array_equal(found, [[1, 3, 0], [2, 0, 0], [2, 3, 0]])
    np.testing.assert_allclose(count / 2999, 1 / 3, atol=0.03)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_u_that_knows_the_logged_action_tells_others(datasets, tiny_model, kind):
    windows = draw_windows(datasets[kind], None, 1, 100, seed=0)
    logged = {
        state.tobytes(): action
        for state, action in zip(
            windows.batch.state[:, 0], windows.batch.actions[:, 0], strict=True
        )
    }

    def knows(state, actions):
        true = np.array([logged[row.tobytes()] for row in state.numpy()], np.float32)
        off = np.abs(true - actions.numpy()).reshape(len(true), -1)
        return tf.constant(off.max(axis=-1))

    def blind(state, actions):
        return state[:, 0]

    assert auc_other_actions(_says(tiny_model(kind), knows), windows, 0) == 1
    assert auc_other_actions(_says(tiny_model(kind), blind), windows, 0) == pytest.approx(0.5)


def test_the_farther_an_action_moves_the_surer_it_is_told(datasets, tiny_model):
    windows = draw_windows(datasets["continuous"], None, 1, 400, seed=0)

    def far(state, actions):
        return tf.reduce_sum(tf.square(actions), axis=(1, 2))

    found = auc_shifted_actions(_says(tiny_model("continuous"), far), windows, 0)
    assert list(found) == ["1", "2", "3"]
    assert 0.5 < found["1"] < found["2"] < found["3"] <= 1
    discrete = draw_windows(datasets["discrete"], None, 1, 10, seed=0)
    assert auc_shifted_actions(tiny_model("discrete"), discrete, 0) is None


def test_other_behaviour(datasets, tiny_model, make_episodes, continuous_spec, tmp_path):
    made = make_episodes(continuous_spec, 4, seed=9)
    episodes = [dataclasses.replace(episode, state=episode.state + 100) for episode in made]
    other = write_dataset(tmp_path / "o", continuous_spec, episodes, config={}, provenance={})
    model = _says(tiny_model("continuous"), lambda state, actions: state[:, 0])
    known = datasets["continuous"]
    assert auc_held_out_behaviour(model, known, np.arange(5), other) == 1
    assert auc_held_out_behaviour(model, other, None, known) == 0
    with pytest.raises(LogoError, match="does not fit the dataset"):
        auc_held_out_behaviour(model, known, None, datasets["discrete"])
