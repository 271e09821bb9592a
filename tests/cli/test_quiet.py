"""TensorFlow's start is silent, unless something goes wrong in it."""

import os

import pytest

from logo_tf.cli import quiet


@pytest.fixture(autouse=True)
def as_the_command_sets_it(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


def test_what_is_said_inside_is_not_shown(capfd):
    with quiet.silence():
        os.write(2, b"noise from C++\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_an_error_brings_it_all_out(capfd):
    with pytest.raises(ZeroDivisionError), quiet.silence():
        os.write(2, b"the reason\n")
        raise ZeroDivisionError
    assert "the reason" in capfd.readouterr().err


def test_who_asked_for_the_log_gets_it(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    imported = []
    monkeypatch.setattr(quiet.importlib, "import_module", imported.append)
    quiet.import_tensorflow("x")
    assert imported == []
    with quiet.silence():
        os.write(2, b"what it says\n")
    assert capfd.readouterr().err == "what it says\n"
