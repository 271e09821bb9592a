from __future__ import annotations

import types

import numpy as np
import pytest

from logo_tf.export.golden import Scales, golden_inputs, scales_of
from logo_tf.specs import ScenarioSpec


def test_continuous_inputs_fit_the_spec(continuous_spec: ScenarioSpec) -> None:
    golden = golden_inputs(continuous_spec, 50, seed=0)
    assert golden.observations.shape == (50, 2, 4)
    assert golden.observations.dtype == np.float32
    assert golden.actions.shape == (50, 2, 2)
    assert golden.actions.dtype == np.float32
    assert golden.legal_actions.shape == (50, 2, 0)
    assert np.all(golden.observations[:, 1, 3] == 0)
    assert np.all(golden.actions[:, 1, 1] == 0)
    assert np.all(np.abs(golden.actions) <= 1)
    assert np.all(golden.agent_mask == 1)


def test_discrete_inputs_hold_the_dead_and_only_legal_actions(discrete_spec: ScenarioSpec) -> None:
    golden = golden_inputs(discrete_spec, 200, seed=0)
    dead = golden.agent_mask == 0
    assert 0.1 < dead.mean() < 0.3
    assert np.all(golden.observations[dead] == 0)
    assert np.all(golden.observations[~dead] != 0)
    assert np.all(golden.legal_actions[dead] == [1, 0, 0, 0])
    assert np.all(golden.legal_actions[~dead][:, 0] == 0)
    assert np.all(golden.legal_actions.sum(-1) >= 1)
    chosen = np.take_along_axis(golden.legal_actions, golden.actions[..., None], axis=-1)
    assert np.all(chosen == 1)
    assert golden.actions.dtype == np.int32
    assert set(np.unique(golden.actions)) == {0, 1, 2, 3}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_fixes_the_inputs(discrete_spec: ScenarioSpec, seed: int) -> None:
    first, second = (golden_inputs(discrete_spec, 5, seed) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.state, golden_inputs(discrete_spec, 5, seed + 1).state)


def test_inputs_lie_where_the_data_did(continuous_spec: ScenarioSpec) -> None:
    known = types.SimpleNamespace(
        observation_mean=np.full((2, 4), 5.0),
        observation_std=np.full((2, 4), 0.1),
        state_mean=np.arange(5.0),
        state_std=np.zeros(5),
    )
    scales = scales_of(known)
    golden = golden_inputs(continuous_spec, 200, 0, scales)
    np.testing.assert_array_equal(golden.state, np.tile(np.arange(5.0), (200, 1)))
    assert abs(golden.observations[:, 0].mean() - 5.0) < 0.02
    assert abs(golden.observations[:, 0].std() - 0.1) < 0.02
    assert np.all(golden.observations[:, 1, 3] == 0)
    assert golden.observations.dtype == golden.state.dtype == np.float32


def test_without_statistics_inputs_are_standard_normal() -> None:
    assert scales_of(None) == Scales()
