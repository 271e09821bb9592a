import dataclasses
import json

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec


def test_round_trip_through_json(continuous_spec, discrete_spec):
    for spec in (continuous_spec, discrete_spec):
        assert ScenarioSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_masks_mark_padding(continuous_spec):
    np.testing.assert_array_equal(continuous_spec.observation_mask, [[1, 1, 1, 1], [1, 1, 1, 0]])
    np.testing.assert_array_equal(continuous_spec.action_mask, [[1, 1], [1, 0]])


def test_action_layout_by_kind(continuous_spec, discrete_spec):
    assert continuous_spec.action_shape == (2, 2)
    assert continuous_spec.action_dtype == np.float32
    assert continuous_spec.legal_dim == 0
    assert discrete_spec.action_shape == (3,)
    assert discrete_spec.action_dtype == np.int32
    assert discrete_spec.legal_dim == 4


def test_last_joint_action_is_not_predicted(discrete_spec):
    spec = dataclasses.replace(discrete_spec, state_dim=14, last_action_offset=2)
    np.testing.assert_array_equal(spec.predicted_state_mask, [1, 1] + [0] * 12)
    assert discrete_spec.predicted_state_mask.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation_dims": (4,)}, "2 agents need as many observation_dims"),
        ({"action_kind": "both"}, "must be 'continuous' or 'discrete'"),
        ({"state_dim": 0}, "every size must be at least 1"),
        ({"action_low": ((-1.0,), (-1.0,))}, "action_low has shape"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(continuous_spec, change, message):
    with pytest.raises(LogoError, match=message):
        dataclasses.replace(continuous_spec, **change)


def test_last_action_past_the_state_is_refused(discrete_spec):
    with pytest.raises(LogoError, match="past state_dim 6"):
        dataclasses.replace(discrete_spec, last_action_offset=0)


def test_from_dict_names_what_is_off(continuous_spec):
    data = continuous_spec.to_dict()
    with pytest.raises(LogoError, match="unknown fields: colour"):
        ScenarioSpec.from_dict({**data, "colour": 1})
    del data["state_dim"]
    with pytest.raises(LogoError, match="incomplete.*state_dim"):
        ScenarioSpec.from_dict(data)


def test_fitting_ignores_names_but_not_shapes(continuous_spec, discrete_spec):
    renamed = dataclasses.replace(
        continuous_spec, name="other", agents=("x", "y"), episode_limit=99, environment="toy 2"
    )
    continuous_spec.require_fits(renamed, "the dataset d", "the model m")
    with pytest.raises(LogoError, match="the dataset d does not fit the model m: action_kind"):
        continuous_spec.require_fits(discrete_spec, "the dataset d", "the model m")
    fewer = dataclasses.replace(
        discrete_spec, agents=("a",), observation_dims=(4,), action_dims=(4,)
    )
    with pytest.raises(LogoError, match="agents is 3 against 1"):
        discrete_spec.require_fits(fewer, "ours", "theirs")
