"""Every example is run, with tiny settings, and none is forgotten."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN_HERE = {"train_world_model.py"}
RUN_ELSEWHERE = {
    "quickstart.py",  # these three in tests/experiments/test_run.py
    "query_saved_model.py",
    "train_policy.py",
    "train_behaviour_policies.py",  # tests/agents
}


def test_every_example_is_run():
    assert {file.name for file in EXAMPLES.glob("*.py")} == RUN_HERE | RUN_ELSEWHERE


@pytest.mark.slow
def test_train_world_model(example, tmp_path, capsys):
    scenario = "--scenario mamujoco/Swimmer-2x1 --quality random --transitions 4000"
    words = f"{scenario} --steps 20 --width 8 --out {tmp_path}".split()
    example("train_world_model.py")(words)
    assert "uncertainty" in capsys.readouterr().out
