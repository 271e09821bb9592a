"""Seconds per stage add up over the parts of a killed run."""

import json

import pytest

from logo_tf.errors import LogoError
from logo_tf.experiments import clock as module
from logo_tf.experiments.clock import StageClock


@pytest.fixture
def ticking(monkeypatch):
    """A clock of our own: each look at it is ten seconds later."""
    looks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(looks)))


def test_parts_add_up_across_processes(tmp_path, ticking):
    with StageClock(tmp_path).running("model"):
        pass
    later = StageClock(tmp_path)
    with pytest.raises(ZeroDivisionError), later.running("model"):
        raise ZeroDivisionError
    with later.running("policy"):
        pass
    assert StageClock(tmp_path).seconds == {"model": 20.0, "policy": 10.0}
    later.forget("model")
    later.forget("never there")
    assert later.seconds == {"policy": 10.0}


def test_time_is_noted_while_a_stage_works(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BEAT", 0.01)
    with StageClock(tmp_path).running("model"):
        for _ in range(500):
            if (tmp_path / "seconds.json").is_file():
                break
            module.time.sleep(0.01)
        assert json.loads((tmp_path / "seconds.json").read_text())["model"] >= 0


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": "x"}'])
def test_a_broken_note_is_named(tmp_path, text):
    (tmp_path / "seconds.json").write_text(text)
    with pytest.raises(LogoError, match=r"seconds.json: not readable"):
        StageClock(tmp_path)
