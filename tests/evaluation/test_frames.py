"""Pictures of the team, or one line that says why there are none."""

import subprocess

import numpy as np
import pytest

from logo_tf.evaluation import frames
from logo_tf.evaluation.frames import film
from logo_tf.evaluation.render_process import main as render
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


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (subprocess.CompletedProcess([], -11, "", ""), "crashed (signal 11)"),
        (subprocess.CompletedProcess([], 1, "", "noise\nno EGL here\n"), "no EGL here"),
        (subprocess.CompletedProcess([], 3, "", ""), "exit code 3"),
        (subprocess.TimeoutExpired("x", 1), "more than 120 seconds"),
    ],
)
def test_every_failure_is_a_reason(policy, monkeypatch, outcome, said):
    def run(*args, **kwargs):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(frames.subprocess, "run", run)
    strip = film(SWIMMER, policy, frames=2, every=1, seed=0)
    assert strip.pictures == ()
    assert said in strip.reason


def test_the_recorder_cuts_after_the_last_picture(policy, monkeypatch):
    kept = {}

    def keep(scenario, seed, every, folder):
        kept["actions"] = np.load(folder / frames.ACTIONS)
        return "only looking"

    monkeypatch.setattr(frames, "_render", keep)
    film(SWIMMER, policy, frames=3, every=2, seed=0)
    assert kept["actions"].shape == (4, 2, 1)


def test_a_machine_that_cannot_render_ends_with_the_reason(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / frames.ACTIONS, np.zeros((1, 2, 1), np.float32))
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    assert render([SWIMMER, "0", "1", str(tmp_path)]) == 1
    assert "cannot render" in capsys.readouterr().err.splitlines()[-1]
