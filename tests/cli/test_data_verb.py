"""``logo-tf scenarios`` and ``logo-tf data``."""

import json
from pathlib import Path

import h5py
import pytest

from logo_tf.cli.main import main


def test_scenarios_as_json_and_as_a_table(capsys):
    assert main(["scenarios", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mamujoco/HalfCheetah-2x3"]["state_dim"] == 17
    assert main(["scenarios"]) == 0
    assert "mamujoco/Hopper-3x1" in capsys.readouterr().out


def test_collect_then_inspect(tmp_path, capsys):
    out = str(tmp_path / "data")
    words = ["--scenario", "mamujoco/Swimmer-2x1", "--quality", "random", "--steps", "1500"]
    assert main(["data", "collect", *words, "--out", out]) == 0
    assert "2 episodes, 2000 transitions" in capsys.readouterr().out
    plots = tmp_path / "plots"
    assert main(["data", "inspect", out, "--json", "--plots", str(plots)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["statistics"]["episodes"] == 2
    assert sorted(file.name for file in plots.iterdir()) == sorted(
        name.rpartition("/")[2] for name in found["plots"]
    )
    assert main(["data", "inspect", out]) == 0
    assert "every file matches its sha256" in capsys.readouterr().out
    assert main(["data", "collect", *words, "--out", out]) == 2
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("script", "no script plays 'mamujoco/Swimmer-2x1'"), ("scrpt", "did you mean 'script'")],
)
def test_who_plays_is_refused_in_a_line(tmp_path, capsys, behaviour, said):
    words = ["--scenario", "mamujoco/Swimmer-2x1", "--quality", "medium", "--steps", "10"]
    out = tmp_path / "data"
    assert main(["data", "collect", *words, "--behaviour", behaviour, "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_import_of_a_real_file(sc2_file, tmp_path, capsys):
    out = str(tmp_path / "sc2")
    assert main(["data", "import", "--format", "pymarl", str(sc2_file), "--out", out]) == 0
    assert "episodes" in capsys.readouterr().out


def test_unknown_format_names_the_nearest(tmp_path, capsys):
    words = ["--format", "pymarrl", "x.h5", "--out", str(tmp_path / "d")]
    assert main(["data", "import", *words]) == 2
    assert "'pymarl'" in capsys.readouterr().err


def test_export_then_import_with_a_bad_episode(tiny_dataset, tmp_path, capsys):
    dataset = tiny_dataset("discrete", episodes=3)
    out = tmp_path / "toy-v0"
    assert main(["data", "export", str(dataset.path), "--format", "minari", "--out", str(out)]) == 0
    assert "3 episodes as minari" in capsys.readouterr().out
    with h5py.File(out / "data" / "main_data.hdf5", "a") as file:
        file["episode_1/infos/state"][2, 0] = float("nan")
    words = ["data", "import", str(out), "--out", str(tmp_path / "back")]
    assert main(words) == 2
    assert "episode 1, step 2, infos/state" in capsys.readouterr().err
    assert main([*words, "--on-error", "drop-episode"]) == 0
    printed = capsys.readouterr().out
    assert "2 episodes" in printed
    assert f"dropped: {out}/data/main_data.hdf5: episode 1, step 2, infos/state" in printed
    assert main([*words, "--on-error", "drop"]) == 2
    assert "drop-episode" in capsys.readouterr().err


def test_import_of_a_padded_vault(tmp_path, capsys):
    vault = Path(__file__).parents[1] / "data/formats/fixtures/toy.vlt/Continuous"
    words = ["data", "import", str(vault), "--last-step", "drop", "--out", str(tmp_path / "d")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "3 episodes, 13 transitions" in printed
    assert "columns of -inf cut off as padding: observations (agent 1: 1)" in printed
    assert "columns of -inf cut off as padding: actions (agent 1: 1)" in printed
