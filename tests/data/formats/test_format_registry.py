"""Formats by name and by looking."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.formats.registry import format_names, get_format, recognise
from logo_tf.errors import LogoError


def test_names_and_lookup() -> None:
    assert "pymarl" in format_names()
    for name in format_names():
        assert get_format(name).name == name
    with pytest.raises(LogoError, match="did you mean 'pymarl'"):
        get_format("pymarrl")


def test_importers_load_no_reader_before_it_is_needed() -> None:
    script = (
        "import sys; from logo_tf.data.formats.registry import format_names, get_format;"
        "[get_format(name) for name in format_names()];"
        "sys.exit(sorted({'tensorflow', 'tensorstore', 'jax'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_archives_are_not_opened(tmp_path: Path) -> None:
    """Neither bombs nor pickled objects are looked into."""
    path = tmp_path / "toy.npz"
    np.savez(path, obs_0=np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(LogoError, match=r"toy\.npz: no known dataset format; unpack the archive"):
        recognise(path)
    with pytest.raises(LogoError, match=r"toy\.npz: not a folder"):
        get_format("omar").read(path, ImportOptions())


def test_recognise(pymarl_file: Callable[..., Path], tmp_path: Path) -> None:
    assert recognise(pymarl_file()).name == "pymarl"
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(LogoError, match="no known dataset format"):
        recognise(other)
    with pytest.raises(LogoError, match="no such file"):
        recognise(tmp_path / "nowhere")
