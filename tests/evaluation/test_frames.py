"""Pictures of the team, or one line that says why there are none."""

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.evaluation.frames import film
from logo_tf.scenarios.mamujoco import MaMuJoCo
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import scenario_spec

SWIMMER = "mamujoco/Swimmer-2x1"


@pytest.fixture(scope="module")
def policy():
    return RandomPolicy(scenario_spec(SWIMMER))


def test_a_strip_or_a_reason(policy):
    strip = film(SWIMMER, policy, frames=3, every=4, seed=0)
    if strip.reason:
        assert "\n" not in strip.reason
        assert strip.pictures == ()
    else:
        assert strip.steps == (0, 4, 8)
        assert strip.pictures[0].dtype == np.uint8
        assert np.any(strip.pictures[0] != strip.pictures[-1])


def test_none_are_asked_for(policy):
    assert film(SWIMMER, policy, frames=0, every=4, seed=0).reason == "no frames were asked for"


def test_the_episode_is_cut_after_the_last_picture(policy, monkeypatch):
    stepped = []
    step = MaMuJoCo.step

    def counted(self, actions):
        stepped.append(actions)
        return step(self, actions)

    monkeypatch.setattr(MaMuJoCo, "step", counted)
    monkeypatch.setattr(MaMuJoCo, "render", lambda self: np.zeros((2, 2, 3), np.uint8))
    strip = film(SWIMMER, policy, frames=3, every=2, seed=0)
    assert strip.steps == (0, 2, 4)
    assert len(strip.pictures) == 3
    assert len(stepped) == 4


def test_a_machine_that_cannot_render_ends_with_the_reason(policy, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    strip = film(SWIMMER, policy, frames=2, every=1, seed=0)
    assert strip.pictures == ()
    assert "cannot render" in strip.reason


def test_other_failures_are_not_hidden(policy, monkeypatch):
    def fail(self, actions):
        raise LogoError("the simulation left the finite numbers")

    monkeypatch.setattr(MaMuJoCo, "render", lambda self: np.zeros((2, 2, 3), np.uint8))
    monkeypatch.setattr(MaMuJoCo, "step", fail)
    with pytest.raises(LogoError, match="left the finite numbers"):
        film(SWIMMER, policy, frames=2, every=1, seed=0)
