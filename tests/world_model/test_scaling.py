"""Standardised units and what is written rather than predicted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.standardisation import standardisation
from logo_tf.world_model.scaling import Scaling


@pytest.fixture
def scaling(datasets):
    return Scaling(datasets["continuous"].spec, standardisation(datasets["continuous"]))


def test_round_trip_within_the_data(datasets, scaling):
    rows = datasets["continuous"].field("state")[:20]
    np.testing.assert_allclose(scaling.raw_state(scaling.state(rows)), rows, atol=1e-5)
    seen, alive = datasets["continuous"].field("observations")[:20], tf.ones((20, 2))
    there = scaling.observations(seen, alive)
    np.testing.assert_allclose(scaling.raw_observations(there, alive), seen, atol=1e-5)


def test_predictions_are_clipped_to_the_data(scaling):
    units = scaling.statistics
    np.testing.assert_array_equal(scaling.raw_state(tf.fill((1, 5), 1e6))[0], units.state_max)
    assert scaling.raw_reward(tf.constant(-1e6)).numpy() == np.float32(units.reward_min)


def test_padding_and_the_dead_are_zero(scaling):
    got = scaling.observations(tf.ones((1, 2, 4)), tf.constant([[1.0, 0.0]])).numpy()
    assert (got[0, 1] == 0).all()
    live = scaling.observations(tf.ones((1, 2, 4)), tf.ones((1, 2))).numpy()
    assert (live[0, 1, 3:] == 0).all()
    assert (live[0, 1, :3] != 0).all()


def test_bounded_actions_become_minus_one_to_one(datasets):
    spec = dataclasses.replace(
        datasets["continuous"].spec, action_low=((-2.0, 0.0), (0.0, 0.0)),
        action_high=((2.0, 1.0), (4.0, 0.0)),
    )  # fmt: skip
    scaling = Scaling(spec, standardisation(datasets["continuous"]))
    got = scaling.actions(tf.constant([[[-2.0, 1.0], [2.0, 0.0]]]))
    np.testing.assert_allclose(got, [[[-1, 1], [0, 0]]])


def test_the_last_joint_action_is_written(discrete_spec, datasets):
    spec = dataclasses.replace(discrete_spec, state_dim=14, last_action_offset=1)
    units = standardisation(datasets["discrete"])
    wide = {
        f"state_{name}": np.full(14, value, np.float32)
        for name, value in (("mean", 0.5), ("std", 2.0), ("min", 0.0), ("max", 1.0))
    }
    constant = np.arange(14) == 13
    scaling = Scaling(spec, dataclasses.replace(units, **wide, state_constant=constant))
    assert scaling.state_count == 1
    actions = scaling.actions(tf.constant([[1, 0, 3]]))
    state = scaling.state(tf.fill((1, 14), 0.25))
    full = scaling.complete_state(tf.fill((1, 14), 9.0), state, actions)
    raw = (full * 2.0 + 0.5).numpy()[0]
    assert raw[0] == 18.5
    np.testing.assert_allclose(raw[1:13], np.eye(4)[[1, 0, 3]].ravel())
    assert raw[13] == 0.25
