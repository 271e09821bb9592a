"""Figures of models whose errors are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.world_model.calibration import Calibration, StepBound
from logo_tf.world_model.diagnostics import evaluate_model
from logo_tf.world_model.protocol import Prediction


class Persistence:
    """Says that nothing changes, and is as uncertain as the state is large."""

    trainable_variables = ()
    memory_dim = context = 0
    calibration = None

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


def test_persistence_is_as_good_as_persistence(datasets):
    dataset = datasets["continuous"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1, 3, 9), starts=64)
    assert report["starts"] == 64
    assert report["state_nrmse"]["1"] == pytest.approx(1)
    assert report["obs_nrmse"]["3"] == pytest.approx(1)
    assert report["state_rmse"]["3"] > report["state_rmse"]["1"] > 0
    assert report["state_nrmse"]["9"] is None  # no episode is that long
    assert report["legal_actions_accuracy"] is None
    assert report["state_inside"] == {"1": 1.0, "2": 1.0}
    assert len(report["uncertainty_curve"]["error"]) == 20
    assert report["coverage"] is None
    assert report["reliability"]["conformal"] is None
    assert report["reliability"]["state"] == [1.0] * 10
    assert report["auc_other_actions"] == pytest.approx(0.5)  # u looks at the state alone
    assert report["auc_shifted_actions"]["3"] == pytest.approx(0.5)
    assert report["state_nll"] > 10  # a sigma of 1e9
    json.dumps(report)


def test_every_step_agent_and_dimension(datasets):
    dataset = datasets["continuous"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1, 3), starts=160)
    curve = report["curve"]
    assert curve["step"] == [1, 2, 3]
    for name in ("state_nrmse", "state_rmse", "obs_nrmse", "obs_rmse"):
        assert [curve[name][0], curve[name][2]] == list(report[name].values())
        assert len(curve[name]) == 3
    dims = np.array(report["state_rmse_by_dimension"]["3"])
    assert dims.shape == (5,)
    assert np.sqrt(np.mean(dims**2)) == pytest.approx(report["state_rmse"]["3"])
    one, other = report["obs_rmse_by_agent"]["1"]  # of 4 and 3 dimensions
    assert np.sqrt((4 * one**2 + 3 * other**2) / 7) == pytest.approx(report["obs_rmse"]["1"])


def test_signals_are_ranked_by_step(datasets):
    dataset = datasets["continuous"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1, 3, 9), starts=160)
    ranked = report["uncertainty_spearman_by_step"]
    assert list(ranked) == ["step", "max", "sum", "rms", "sigma"]
    for name in ("step", "max", "sum", "rms"):  # persistence is as unsure at every step
        assert ranked[name]["1"] == report["uncertainty_spearman"]
        assert ranked[name]["3"] == pytest.approx(ranked["step"]["3"])
        assert ranked[name]["9"] is None
    assert ranked["sigma"] == {"1": None, "3": None, "9": None}


def test_reliability_and_coverage_by_hand(datasets):
    """A calibration whose bounds lie above the smallest half of the errors, and above all."""
    dataset = datasets["continuous"]
    model = Persistence(dataset.spec)
    line = StepBound(signals=(0.0,), errors=(1.0,), factors=(0.0, 99.0), rows=10)
    scale = tuple([1.0] * 5)
    model.calibration = Calibration(0.9, "step", (0.5, 0.9), scale, (line, line), episodes=4)
    report = evaluate_model(model, dataset, None, (1, 2, 4), starts=160)
    assert report["reliability"]["conformal"] == {
        "nominal": [0.5, 0.9],
        "1": [0.0, 1.0],
        "2": [0.0, 1.0],
    }
    assert report["coverage"]["coverage"] == [1.0, 1.0]
    assert report["coverage"]["bound"] == [99.0, 99.0]
    assert report["coverage"]["rows"] == [160, 140]
    json.dumps(report)


def test_discrete_figures(datasets):
    dataset = datasets["discrete"]
    report = evaluate_model(Persistence(dataset.spec), dataset, None, (1,), starts=256)
    assert report["starts"] == 160  # no transition begins two
    assert report["termination_f1"] == 0  # it never expects an ending
    assert 0 < report["legal_actions_accuracy"] < 1
    assert report["reward_rmse"] >= report["reward_mae"] > 0
    assert report["reward_rmse_without_wins"] > 0
