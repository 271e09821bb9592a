"""Whole experiments through the real command: once, again, extended, killed, failing."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logo_tf.artifacts import load_manifest
from logo_tf.cli.main import main
from logo_tf.experiments import engines

pytestmark = pytest.mark.slow
CONFIG = {
    "scenarios": ["mamujoco/HalfCheetah-2x3"],
    "qualities": ["random"],
    "seeds": [0],
    "dataset_steps": 4000,
    "models": [{"name": "logo"}],
    "arms": [
        {"name": "BC", "algorithm": "bc"},
        {"name": "LOGO", "algorithm": "macql", "model": "logo"},
    ],
    "planned": [
        {
            "name": "LOGO, planned",
            "arm": "LOGO",
            "settings": ["planner.horizon=2", "planner.candidates=4", "planner.elites=1"],
        }
    ],
    "policy": [
        "width=16",
        "steps=100",
        "batch_size=32",
        "log_every=50",
        "checkpoint_every=50",
        "imagination.horizon=2",
        "imagination.branches=64",
    ],
    "world_model": [
        "width=16",
        "unroll=1",
        "steps=100",
        "batch_size=32",
        "log_every=50",
        "validate_every=50",
        "validation_windows=16",
    ],
    "episodes": 2,
    "reference_episodes": 2,
    "curve_every": 100,
    "curve_episodes": 1,
}
TASK = "mamujoco-HalfCheetah-2x3/random"
ARMS = f"{TASK}/arms"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    place = tmp_path_factory.mktemp("config") / "tiny.json"
    place.write_text(json.dumps(CONFIG))
    return str(place)


@pytest.fixture(scope="module")
def done(file, here, tmp_path_factory):
    """A finished experiment's folder; no job had a process of its own, which takes seconds each."""
    out = tmp_path_factory.mktemp("experiments") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "LocalEngine", here)
        assert main(["experiment", file, "--out", str(out)]) == 0
    return out


def hashes(out):
    return {
        str(place.parent.relative_to(out)): load_manifest(place.parent).hash
        for place in sorted(out.rglob("manifest.json"))
    }


def test_it_leaves_a_table_a_page_and_every_artefact(done, capsys):
    with open(done / "results.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["arm"] for row in rows] == ["BC", "LOGO", "LOGO, planned"]
    assert {row["seed"] for row in rows} == {"0"}
    _, logo, planned = rows
    place = done / ARMS / "LOGO" / "seed-0"
    assert logo["policy"] == load_manifest(place / "policy").hash
    assert logo["world_model"] == load_manifest(done / TASK / "models/logo/seed-0").hash
    assert float(logo["minutes"]) > 0
    for same in ("policy", "world_model", "minutes", "steps"):
        assert planned[same] == logo[same]
    assert planned["return_mean"] != logo["return_mean"]
    judged = load_manifest(done / ARMS / "LOGO,_planned" / "seed-0" / "evaluation")
    assert judged.config["planner"]["horizon"] == 2
    assert judged.parents == {"policy": logo["policy"], "world_model": logo["world_model"]}
    returns = json.loads((place / "evaluation" / "returns.json").read_text())["policy"]
    assert float(logo["return_mean"]) == pytest.approx(sum(returns["returns"]) / 2)
    references = load_manifest(done / "mamujoco-HalfCheetah-2x3/references").figures
    random, expert = (references[name]["return_mean"] for name in ("random", "expert"))
    assert expert > random + 1000
    assert float(logo["score"]) == pytest.approx(
        100 * (float(logo["return_mean"]) - random) / (expert - random)
    )
    text = (done / "report.html").read_text()
    assert "In training" in text
    assert text.count("<svg") == 4
    assert main(["show", str(place / "policy"), "--json"]) == 0
    lineage = json.loads(capsys.readouterr().out)["lineage"]
    assert {(line["role"], line["path"]) for line in lineage} == {
        ("dataset", str(done / TASK / "dataset")),
        ("world_model", str(done / TASK / "models/logo/seed-0")),
    }
    assert main(["show", str(done)]) == 0
    assert "an experiment artefact" in capsys.readouterr().out


def test_nothing_is_made_again(done, file, capsys):
    before = {place: place.stat().st_mtime_ns for place in done.rglob("manifest.json")}
    assert main(["experiment", file, "--out", str(done), "--json"]) == 0
    told = capsys.readouterr()
    assert "8 of 8 were there already" in told.err
    assert [cell["arm"] for cell in json.loads(told.out)] == ["BC", "LOGO", "LOGO, planned"]
    assert {place: place.stat().st_mtime_ns for place in done.rglob("manifest.json")} == before


def test_other_settings_are_refused_and_what_is_there_stays(done, file, capsys):
    before, results = hashes(done), (done / "results.csv").read_text()
    code = main(["experiment", file, "--out", str(done), "--set", "dataset_steps=5000"])
    assert code == 2
    assert "steps is 4000 there and 5000 in this experiment" in capsys.readouterr().err
    assert hashes(done) == before
    assert (done / "results.csv").read_text() == results
    assert json.loads((done / "experiment.json").read_text())["config"]["dataset_steps"] == 4000


@pytest.mark.long
def test_a_killed_experiment_resumes_to_the_same_artefacts(done, file, tmp_path):
    out = tmp_path / "killed"
    fewer = ["--set", f"arms={json.dumps(CONFIG['arms'][1:])}", "planned=[]"]
    words = ["experiment", file, "--out", str(out), *fewer]
    command = [sys.executable, "-m", "logo_tf", *words, "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    aside = out / TASK / "models/logo/seed-0.partial/metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (aside.is_file() and aside.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / ARMS / "LOGO/seed-0/policy").exists()
    assert main(words) == 0
    made = hashes(out)
    assert len(made) == 5
    assert made.items() <= hashes(done).items()


def test_seeds_are_added_on_ray_and_another_job_s_failure_takes_nothing(done, file, capsys):
    """In processes, of Ray and then of this machine."""
    before = hashes(done)
    blocked = done / ARMS / "BC" / "seed-1" / "policy.partial"
    blocked.mkdir(parents=True)
    (blocked / "resume.json").write_text("{}")
    cloning = [f"arms={json.dumps(CONFIG['arms'][:1])}", "seeds=[0,1,2]", "planned=[]"]
    words = ["experiment", file, "--out", str(done), "--set", *cloning]
    assert main([*words, "--engine", "ray", "--workers", "2"]) == 2
    said = capsys.readouterr().err
    assert f"1 of the jobs failed, 1 cells are missing; {ARMS}/BC/seed-1/policy: " in said
    assert "holds interrupted work of other settings" in said
    after = hashes(done)
    assert before.items() <= after.items()
    assert f"{ARMS}/BC/seed-2/evaluation" in after
    assert "1 cells are not finished yet" in (done / "results.md").read_text()
    (blocked / "resume.json").unlink()
    blocked.rmdir()
    assert main(words) == 0
    assert "Seeds that every arm has finished: 0, 1, 2." in (done / "results.md").read_text()


def test_a_folder_of_something_else_is_left_alone(file, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["experiment", file, "--out", str(tmp_path)]) == 2
    assert "holds something that is not a logo_tf experiment" in capsys.readouterr().err
    assert [place.name for place in tmp_path.iterdir()] == ["mine.txt"]


def test_words_that_do_not_go_together(file, tmp_path, capsys):
    out = str(tmp_path / "new")
    assert main(["experiment", file, "--out", out, "--address", "auto"]) == 2
    assert "--address is of a Ray cluster: add --engine ray" in capsys.readouterr().err
    assert main(["experiment", file, "--out", out, "--workers", "0"]) == 2
    assert "--workers must be at least 1, got 0" in capsys.readouterr().err
    assert not Path(out).exists()


def test_the_shipped_experiments_are_sound():
    from logo_tf.experiments.matrix import check, read_config

    files = sorted((Path(__file__).parents[2] / "examples/experiments").glob("*.json"))
    assert len(files) == 4
    for shipped in files:
        check(read_config(shipped))
