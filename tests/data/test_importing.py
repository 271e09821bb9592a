"""A foreign file becomes a dataset folder."""

from __future__ import annotations

import dataclasses
import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.data.exporting import export_dataset
from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.importing import import_dataset
from logo_tf.data.store import Dataset, load_dataset
from logo_tf.disk import sha256
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
    provenance = dataset.manifest.provenance
    assert provenance["inferred"]["last_action_offset"] == 4
    assert (provenance["format"], provenance["source"]) == ("pymarl", "toy.h5")
    assert provenance["files"] == {"toy.h5": sha256(tmp_path / "toy.h5")}
    assert provenance["source_sha256"] == sha256(tmp_path / "toy.h5")
    assert provenance["environment"] == "not recorded (PyMARL file toy.h5)"


def test_a_folder_of_files_has_one_hash(pymarl_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for name in ("b.h5", "a.h5"):
        pymarl_file(f"parts/{name}")
    dataset = import_dataset("pymarl", tmp_path / "parts", tmp_path / "out")
    provenance = dataset.manifest.provenance
    digests = [provenance["files"][name] for name in ("a.h5", "b.h5")]
    said = f"{digests[0]}  a.h5\n{digests[1]}  b.h5\n"
    assert provenance["source_sha256"] == hashlib.sha256(said.encode()).hexdigest()


def test_the_environment_can_be_told(
    pymarl_file: Callable[..., Path], tiny_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    told = ImportOptions(environment="SMAC 3m (SC2.4.10)")
    dataset = import_dataset("pymarl", pymarl_file(), tmp_path / "told", told)
    assert dataset.spec.environment == "SMAC 3m (SC2.4.10)"
    assert dataset.spec.records_environment
    # What this package wrote says it, and is asked first.
    for name, folder in (("pymarl", "p"), ("minari", "m-v0"), ("rlds", "r/1.0.0")):
        kept = export_dataset(name, dataset, tmp_path / folder)
        again = import_dataset(name, kept, tmp_path / f"again-{name}")
        assert again.manifest.provenance["environment"] == "SMAC 3m (SC2.4.10)"
        other = ImportOptions(environment="SMAC 3m (SC2.4.6)")
        renamed = import_dataset(name, kept, tmp_path / f"renamed-{name}", other)
        assert renamed.spec.environment == "SMAC 3m (SC2.4.6)"


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
