"""Figures of models whose errors are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.diagnostics import evaluate_model, spearman
from logo_tf.world_model.protocol import Prediction


class Persistence:
    """Says that nothing changes, and is as uncertain as the state is large."""

    trainable_variables = ()
    memory_dim = context = 0

    def __init__(self, spec):
        self.spec = spec

    def step(self, state, observations, actions, agent_mask, memory=None):
        scalar = tf.zeros_like(state[:, 0])
        legal = tf.one_hot(tf.ones(tf.shape(agent_mask), tf.int32), self.spec.legal_dim)
        return Prediction(
            observations=observations,
            observations_std=tf.ones_like(observations),
            state=state,
            state_std=tf.fill(tf.shape(state), 1e9),
            reward=scalar,
            reward_std=scalar,
            termination=scalar,
            legal_actions=legal,
            uncertainty=tf.norm(state, axis=-1),
            memory=memory,
        )


def test_ranks_by_hand():
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)
    # ranks 1.5 1.5 3 against 1 2 3
    assert spearman(np.array([1.0, 1.0, 9.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(
        0.75**0.5
    )
    assert spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None


def test_persistence_is_as_good_as_persistence(datasets):
    dataset = datasets["continuous"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1, 3, 9), starts=64)
    assert report["state_nrmse"]["1"] == pytest.approx(1)
    assert report["obs_nrmse"]["3"] == pytest.approx(1)
    assert report["state_rmse"]["3"] > report["state_rmse"]["1"] > 0
    assert report["state_nrmse"]["9"] is None  # no episode is that long
    assert report["legal_actions_accuracy"] is None
    assert report["state_inside"] == {"1": 1.0, "2": 1.0}
    assert len(report["uncertainty_curve"]["error"]) == 20
    json.dumps(report)


def test_discrete_figures(datasets):
    dataset = datasets["discrete"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1,), starts=256)
    assert report["termination_f1"] == 0  # it never expects an ending
    assert 0 < report["legal_actions_accuracy"] < 1
    assert report["reward_rmse"] >= report["reward_mae"] > 0
    assert report["reward_rmse_without_wins"] > 0
