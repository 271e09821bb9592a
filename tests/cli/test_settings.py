"""Preset, then file, then --set, then --seed; and the result is printed."""

import argparse

from logo_tf.cli.settings import resolve
from logo_tf.experiments.config import preset


def test_the_later_wins_and_all_is_shown(tmp_path, capsys):
    file = tmp_path / "over.json"
    file.write_text('{"seed": 1, "world_model": {"width": 7, "depth": 1}}')
    given = argparse.Namespace(
        config=str(file),
        set=["world_model.width=9", "seed=2", "policy.imagination.horizon=4"],
        seed=3,
    )
    config = resolve(preset("smoke"), given)
    assert (config.world_model.width, config.world_model.depth, config.seed) == (9, 1, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "seed=3" in shown.err.splitlines()[0]
    assert "imagination.horizon=4" in shown.err


def test_groups_alone_are_shown_without_an_empty_line(capsys):
    from logo_tf.agents.config import PlanningConfig

    given = argparse.Namespace(config=None, set=["planner.horizon=2"], seed=1)
    assert resolve(PlanningConfig(), given).planner.horizon == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("planner: horizon=2 candidates=")
