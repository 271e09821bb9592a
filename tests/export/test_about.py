"""What an export says of itself."""

from __future__ import annotations

import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.export.about import About, about_signature
from logo_tf.specs import ScenarioSpec


@pytest.fixture
def about(discrete_spec: ScenarioSpec) -> About:
    return About("policy", discrete_spec, 3, 1, ("serving_default",))


def test_the_signature_answers_what_can_be_read_back(about: About) -> None:
    function = about_signature(about).function
    assert About.from_json(function(format=tf.constant(1))["about"].numpy()) == about
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"the format is 1, not.*2"):
        function(format=tf.constant(2))


@pytest.mark.parametrize("text", ["{", b"\xff", "[]", "1", "{}", '{"kind": "policy"}'])
def test_what_is_something_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(LogoError, match="not what an export says of itself"):
        About.from_json(text)


def test_a_field_that_is_not_so_is_refused(about: About) -> None:
    for wrong in ('"memory_dim": "x"', '"memory_dim": null'):
        with pytest.raises(LogoError, match="not what an export says of itself"):
            About.from_json(about.to_json().replace('"memory_dim": 3', wrong))
    with pytest.raises(LogoError, match="scenario spec has unknown fields: wings"):
        About.from_json(about.to_json().replace('"win_reward"', '"wings": 2, "win_reward"'))
