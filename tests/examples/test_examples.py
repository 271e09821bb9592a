"""Every example is run, with tiny settings, and none is forgotten."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"
RUN_HERE = {
    "query_saved_model.py",
    "quickstart.py",
    "train_policy.py",
    "train_world_model.py",
}
RUN_ELSEWHERE = {"train_behaviour_policies.py"}  # tests/agents


def example(name):
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What examples/quickstart.py leaves."""
    out = tmp_path_factory.mktemp("examples") / "run"
    example("quickstart.py")(["--preset", "smoke", "--out", str(out)])
    return out


def test_every_example_is_run():
    assert {file.name for file in EXAMPLES.glob("*.py")} == RUN_HERE | RUN_ELSEWHERE


def test_quickstart(run):
    assert (run / "report.html").is_file()


def test_query_saved_model(run, capsys):
    example("query_saved_model.py")(["--models", str(run / "saved_models")])
    said = capsys.readouterr().out
    assert "out actions (2, 2, 3) float32" in said
    assert "out uncertainty (2,) float32" in said


def test_train_policy(run, tmp_path, capsys):
    tiny = ["steps=20", "width=8", "batch_size=16", "log_every=10", "checkpoint_every=10"]
    places = f"--data {run}/dataset --model {run}/world_model --out {tmp_path}/policy"
    branches = ["imagination.horizon=2", "imagination.branches=16"]
    words = [*places.split(), "--episodes", "1", "--set", *tiny, *branches]
    example("train_policy.py")(words)
    assert "policy" in capsys.readouterr().out


def test_train_world_model(tmp_path, capsys):
    scenario = "--scenario mamujoco/Swimmer-2x1 --quality random --transitions 4000"
    words = f"{scenario} --steps 20 --width 8 --out {tmp_path}".split()
    example("train_world_model.py")(words)
    assert "uncertainty" in capsys.readouterr().out
