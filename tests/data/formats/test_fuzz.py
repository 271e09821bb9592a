"""Fifty damaged files of every format: read or refused in one line, never a traceback."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from logo_tf.data.formats.registry import format_names

FUZZ = runpy.run_path(str(Path(__file__).parent / "fuzz.py"))


@pytest.mark.parametrize("name", format_names())
def test_damaged_files(name: str, tmp_path: Path) -> None:
    path = FUZZ["seed_file"](name, tmp_path)
    found = [outcome for _, outcome in FUZZ["outcomes"](name, path, 50)]
    assert len(found) == 50
    assert found.count("refused") > 5
