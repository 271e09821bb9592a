"""A foreign file becomes a dataset folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import load_dataset
from logo_tf.errors import LogoError


@pytest.mark.parametrize("name", ["pymarl", "auto"])
def test_import(pymarl_file: Callable[..., Path], tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "out"
    import_dataset(name, pymarl_file(), out, ImportOptions(scenario="smac/toy"))
    dataset = load_dataset(out)
    assert dataset.num_transitions == 20
    assert dataset.manifest.config == {
        "format": "pymarl",
        "options": {"scenario": "smac/toy", "win_reward": "detect"},
    }
    assert dataset.manifest.provenance["inferred"]["last_action_offset"] == 4


def test_refusals(pymarl_file: Callable[..., Path], tmp_path: Path) -> None:
    path = pymarl_file()
    out = tmp_path / "out"
    with pytest.raises(LogoError, match="unknown dataset format 'vaultt'"):
        import_dataset("vaultt", path, out)
    with pytest.raises(LogoError, match="no such file"):
        import_dataset("pymarl", tmp_path / "nowhere.h5", out)
    assert not out.exists()
    out.mkdir()
    (out / "mine").write_text("keep")
    with pytest.raises(LogoError, match="already exists"):
        import_dataset("pymarl", path, out)
    assert [p.name for p in out.iterdir()] == ["mine"]
