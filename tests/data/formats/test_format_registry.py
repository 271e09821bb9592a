"""Formats by name and by looking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from logo_tf.data.formats.registry import format_names, get_format, recognise
from logo_tf.errors import LogoError


def test_names_and_lookup() -> None:
    assert "pymarl" in format_names()
    for name in format_names():
        assert get_format(name).name == name
    with pytest.raises(LogoError, match="did you mean 'pymarl'"):
        get_format("pymarrl")


def test_recognise(pymarl_file: Callable[..., Path], tmp_path: Path) -> None:
    assert recognise(pymarl_file()).name == "pymarl"
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(LogoError, match="no known dataset format"):
        recognise(other)
    with pytest.raises(LogoError, match="no such file"):
        recognise(tmp_path / "nowhere")
