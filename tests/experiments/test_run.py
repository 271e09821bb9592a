"""The whole smoke run: an example makes it, and the command comes to the same, though killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logo_tf.artifacts import load_manifest
from logo_tf.cli.main import main
from logo_tf.experiments.reporting import read_metrics

pytestmark = pytest.mark.slow
STAGES = ("dataset", "world_model", "bc", "policy", "evaluation", "exports", "report", "total")


@pytest.fixture(scope="module")
def smoke(example, tmp_path_factory):
    """A finished smoke run's folder."""
    out = tmp_path_factory.mktemp("runs") / "smoke"
    example("quickstart.py")(["--preset", "smoke", "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def summary(smoke):
    return json.loads((smoke / "summary.json").read_text())


def numbers(summary):
    """What a resumed run must agree on with one that was never killed."""
    names = ("dataset", "world_model", "imagination", "policy", "baselines")
    return {name: summary[name] for name in names}


def test_the_summary_holds_what_it_promises(summary):
    assert summary["scenario"] == "mamujoco/HalfCheetah-2x3"
    assert {"episodes", "transitions", "return_mean", "return_std"} <= set(summary["dataset"])
    model = summary["world_model"]
    assert {"parameters", "reward_mae", "uncertainty_spearman"} <= set(model)
    assert set(model["state_nrmse"]) == set(model["obs_nrmse"]) == {"1", "5", "15"}
    assert {"transitions", "horizon", "ess_fraction"} <= set(summary["imagination"])
    assert 0 < summary["imagination"]["ess_fraction"] <= 1
    assert {"algorithm", "return_mean", "return_std", "episodes"} <= set(summary["policy"])
    assert {"behaviour", "bc", "random"} == set(summary["baselines"])
    assert tuple(summary["seconds"]) == STAGES
    assert summary["seconds"]["total"] == pytest.approx(
        sum(summary["seconds"][stage] for stage in STAGES[:-1]), abs=0.1
    )


def test_exports_stand_where_the_summary_says(summary):
    assert (Path(summary["exports"]["policy"]) / "saved_model.pb").is_file()
    assert (Path(summary["exports"]["world_model"]) / "saved_model.pb").is_file()
    assert len(list(Path(summary["exports"]["tflite"]).glob("*.tflite"))) == 2


def test_lineage_reaches_from_the_export_to_the_dataset(smoke, summary, capsys):
    assert main(["show", summary["exports"]["policy"], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    found = {line["role"]: line for line in shown["lineage"]}
    assert set(found) == {"policy", "world_model", "dataset"}
    assert found["dataset"]["hash"] == load_manifest(smoke / "dataset").hash
    assert main(["show", str(smoke)]) == 0
    assert "a run artefact" in capsys.readouterr().out


def test_the_report_stands_alone_and_shows_everything(smoke):
    text = (smoke / "report.html").read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    for heading in ("Returns", "The team acting", "World model", "Uncertainty and imagined data"):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<svg") >= 10
    frames = json.loads((smoke / "evaluation" / "frames.json").read_text())
    assert ("data:image/png;base64" in text) == (not frames["reason"])
    assert load_manifest(smoke / "policy").hash in text
    assert "imagination.horizon" in text


def test_a_second_run_skips_every_stage(smoke, capfd):
    before = {f: f.stat().st_mtime_ns for f in smoke.rglob("*") if f.is_file()}
    code = "import sys; from logo_tf.cli.main import main; c = main(sys.argv[1:]);"
    code += "sys.exit(c or 9 * ('tensorflow' in sys.modules))"
    words = ["run", "--preset", "smoke", "--out", str(smoke)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("skipped, unchanged") == 9
    assert "matd3bc + LOGO" in done.stdout
    assert {f: f.stat().st_mtime_ns for f in smoke.rglob("*") if f.is_file()} == before


def test_changed_settings_are_refused_and_nothing_is_touched(smoke, capsys):
    before = {f: f.stat().st_mtime_ns for f in smoke.rglob("*") if f.is_file()}
    words = ["run", "--preset", "smoke", "--out", str(smoke), "--seed", "1"]
    assert main(words) == 2
    assert "seed is 0 there and 1 here" in capsys.readouterr().err
    assert {f: f.stat().st_mtime_ns for f in smoke.rglob("*") if f.is_file()} == before


def test_json_of_the_judging_verbs_is_json_alone(smoke, capsys):
    words = [str(smoke / "world_model"), "--data", str(smoke / "dataset"), "--horizon", "5"]
    assert main(["model", "eval", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["episodes"] == "held out by its training"
    assert max(map(int, found["state_nrmse"])) == 5
    assert main(["policy", "eval", str(smoke / "bc"), "--episodes", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["returns"]) == 1


def test_a_policy_refuses_a_scenario_it_does_not_fit(smoke, capsys):
    words = ["policy", "eval", str(smoke / "bc"), "--scenario", "mamujoco/Hopper-3x1"]
    assert main(words) == 2
    assert "does not fit" in capsys.readouterr().err


def test_export_verb_makes_the_next_version(smoke, tmp_path, capsys):
    for version in ("1", "2"):
        words = ["export", str(smoke / "policy"), "--name", "cheetah", "--to", str(tmp_path)]
        assert main(words) == 0
        said = capsys.readouterr().out.strip()
        assert said.startswith(f"{tmp_path / 'cheetah' / version}: differs from the original")


def test_the_example_queries_its_exports(smoke, example, capsys):
    example("query_saved_model.py")(["--models", str(smoke / "saved_models")])
    said = capsys.readouterr().out
    assert "out actions (2, 2, 3) float32" in said
    assert "out uncertainty (2,) float32" in said


def test_the_example_trains_a_policy_on_it(smoke, example, tmp_path, capsys):
    tiny = ["steps=20", "width=8", "batch_size=16", "log_every=10", "checkpoint_every=10"]
    places = f"--data {smoke}/dataset --model {smoke}/world_model --out {tmp_path}/policy"
    branches = ["imagination.horizon=2", "imagination.branches=16"]
    words = [*places.split(), "--episodes", "1", "--set", *tiny, *branches]
    example("train_policy.py")(words)
    assert "policy" in capsys.readouterr().out


def test_killed_in_the_middle_of_training_it_resumes_to_the_same_numbers(smoke, summary, tmp_path):
    out = tmp_path / "killed"
    words = [sys.executable, "-m", "logo_tf", "run", "--preset", "smoke", "--out", str(out)]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(words, stdout=log, stderr=log)
    metrics = out / "world_model.partial"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not read_metrics(metrics):
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "world_model").exists()
    log.close()

    assert main(["run", "--preset", "smoke", "--out", str(out)]) == 0
    assert numbers(json.loads((out / "summary.json").read_text())) == numbers(summary)
