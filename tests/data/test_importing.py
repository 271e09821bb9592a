"""A foreign file becomes a dataset folder."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
        "options": {**dataclasses.asdict(ImportOptions()), "scenario": "smac/toy"},
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


DROP = ImportOptions(on_error="drop-episode")


def test_bad_episodes_are_dropped_and_reported(
    pymarl_file: Callable[..., Path], pymarl_arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """One breaks the format's rules, one a rule of every dataset."""
    state, legal = pymarl_arrays["state"], pymarl_arrays["avail_actions"]
    state[1, 2, 0] = np.nan
    taken = pymarl_arrays["actions"][3, 0, 0, 0]
    legal[3, 0, 0, taken] = 0
    path = pymarl_file(state=state, avail_actions=legal)
    with pytest.raises(LogoError, match="episode 1, step 2, state"):
        import_dataset("pymarl", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    dataset = import_dataset("pymarl", path, tmp_path / "out", DROP)
    assert dataset.lengths.tolist() == [3, 5]
    first, second = dataset.manifest.provenance["dropped"]
    assert first == f"{path}: episode 1, step 2, state: value is not finite"
    assert second.startswith(f"{path}: episode 3, step 0, actions, agent 0: value {taken}")
    np.testing.assert_array_equal(dataset.episode(1).state, state[2, :6])


def test_nothing_is_written_when_every_episode_is_dropped(
    pymarl_file: Callable[..., Path], pymarl_arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    state = np.full_like(pymarl_arrays["state"], np.inf)
    with pytest.raises(LogoError, match="every episode was dropped; the first: .*episode 0"):
        import_dataset("pymarl", pymarl_file(state=state), tmp_path / "out", DROP)
    assert not list(tmp_path.glob("out*"))


def test_a_kill_leaves_no_dataset_and_the_next_call_works(
    pymarl_file: Callable[..., Path], tmp_path: Path
) -> None:
    path, out = pymarl_file(), tmp_path / "out"
    script = f"""
import os, signal
from logo_tf.data import columns
from logo_tf.data.importing import import_dataset
append = columns.ColumnWriter.append
def killed(self, rows):
    append(self, rows)
    if self.rows > 10:
        os.kill(os.getpid(), signal.SIGKILL)
columns.ColumnWriter.append = killed
import_dataset("pymarl", {str(path)!r}, {str(out)!r})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / "out.partial").exists()
    assert import_dataset("pymarl", path, out).num_episodes == 4
    assert [p.name for p in tmp_path.glob("out*")] == ["out"]
