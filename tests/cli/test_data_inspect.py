"""``logo-tf data inspect`` and ``logo-tf data verify``."""

import json
import sys

import pytest

from logo_tf.cli.main import main
from logo_tf.data.collect import CollectConfig, collect
from logo_tf.scenarios import smax
from logo_tf.scenarios.smax_battles import battles


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    """A few falls of a robot whose shapes are HalfCheetah's, too."""
    path = tmp_path_factory.mktemp("data") / "walker"
    return collect(CollectConfig("mamujoco/Walker2d-2x3", "random", 60), path).path


def test_a_dataset_that_fits(walker, capsys):
    words = ["data", "inspect", str(walker), "--against", "mamujoco/Walker2d-2x3"]
    assert main([*words, "--json", "--episodes", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["against"]["scenario"] == "mamujoco/Walker2d-2x3"
    assert found["against"]["fits"] is True
    assert {check["verdict"] for check in found["against"]["checks"]} == {"fits"}
    assert found["statistics"]["coverage"]["cells"] == 1024
    assert main([*words, "--episodes", "0"]) == 0
    said = capsys.readouterr().out
    assert "state coverage: directions" in said
    assert "does it fit?" in said
    assert "64 resets" not in said


def test_a_dataset_that_does_not(walker, capsys):
    words = ["data", "inspect", str(walker), "--against", "mamujoco/Ant-2x4"]
    assert main(words) == 2
    captured = capsys.readouterr()
    for part in ("observation widths", "does not fit", "12 each", "63 each", "agents"):
        assert part in captured.out
    line = captured.err.splitlines()[-1]
    assert line.startswith(f"logo-tf: {walker} does not fit mamujoco/Ant-2x4: observation widths")
    for part in ("state width (17 against 105)", "action widths (3 each against 4 each)", "env"):
        assert part in line
    assert main([*words, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["against"]
    assert found["fits"] is False
    assert sum(check["verdict"] == "does not fit" for check in found["checks"]) == 4


def test_without_a_scenario_nothing_is_said_of_one(walker, capsys):
    assert main(["data", "inspect", str(walker), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "mamujoco/Walker2d-2x4"], "did you mean 'mamujoco/Walker2d-2x3'?"),
        (["--against", "mamujoco/Ant-2x4", "--episodes", "-1"], "--episodes must be at least 0"),
        (["--against", "smax/3s_vs_5z"], "pip install 'logo_tf[smax]'"),
    ],
)
def test_scenarios_that_cannot_be_compared(walker, capsys, monkeypatch, words, said):
    monkeypatch.setitem(sys.modules, "jaxmarl.environments.smax", None)
    monkeypatch.setattr(smax, "battles", battles.__wrapped__)  # not one that is built already
    assert main(["data", "inspect", str(walker), *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_a_changed_file_is_named(tiny_dataset, capsys):
    dataset = tiny_dataset("discrete", episodes=3)
    file = dataset.path / "shard-00000" / "rewards.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert main(["data", "inspect", str(dataset.path)]) == 2
    assert "rewards.npy: content differs" in capsys.readouterr().err


def test_verify(tiny_dataset, tmp_path, capsys):
    whole, broken = (tiny_dataset(kind, episodes=3).path for kind in ("continuous", "discrete"))
    assert main(["data", "verify", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{whole}: whole, 7 files, 3 episodes",
        f"{broken}: whole, 7 files, 3 episodes",
    ]
    (broken / "shard-00000" / "state.npy").unlink()
    (broken / "mine.txt").write_text("mine")
    assert main(["data", "verify", str(broken), str(whole)]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"BROKEN {broken}/shard-00000/state.npy: missing, though manifest.json lists it",
        f"BROKEN {broken}/mine.txt: is not the dataset's, manifest.json does not list it",
        f"{whole}: whole, 7 files, 3 episodes",
    ]
    line = captured.err.splitlines()[-1]
    assert line.startswith("logo-tf: 1 of 2 datasets broken: ")
    assert "state.npy: missing" in line
    assert "(and 1 more)" in line
    assert "%" in captured.err  # how far it is
    assert main(["data", "verify", str(tmp_path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["whole"] is False
    assert [len(one["faults"]) for one in found["datasets"]] == [0, 2]


def test_nothing_to_verify(tmp_path, capsys):
    assert main(["data", "verify", str(tmp_path)]) == 2
    assert "holds no dataset" in capsys.readouterr().err
