"""Tables of an experiment, from cells whose numbers are known."""

import dataclasses
import math

import numpy as np
import pytest

from logo_tf.evaluation import aggregation
from logo_tf.experiments.matrix import Arm, Claim, ExperimentConfig, ModelArm, PlannedArm, Task
from logo_tf.experiments.results import Cell, Model, Reference, Results
from logo_tf.experiments.results_report import half_width, markdown, write_results

CONFIG = ExperimentConfig(
    scenarios=("smax/3m",),
    qualities=("medium-replay", "medium"),
    models=(ModelArm("logo"),),
    arms=(Arm("MACQL", "macql"), Arm("LOGO", "macql", "logo")),
    seeds=(0, 1, 2),
)
TASKS = [Task("smax/3m", "medium-replay"), Task("smax/3m", "medium")]


@pytest.fixture(autouse=True)
def few_repetitions(monkeypatch):
    """What is tested here does not hang on how fine the bootstrap is, and 2000 take seconds."""
    monkeypatch.setattr(aggregation, "_REPETITIONS", 50)


def cell(arm, seed, task, score, won=0.5):
    return Cell(
        *task, arm, seed, score / 50, 0.1, 0.0, 2.0, 32, won, score, 100, 1.5, "d", "", "p", "e"
    )


def results(skipped=()):
    cells = [
        cell(arm, seed, task, 10.0 * (seed + 1) + 40 * place + 5 * (arm == "LOGO"))
        for place, task in enumerate(TASKS)
        for arm in ("MACQL", "LOGO")
        for seed in (0, 1, 2)
        if (arm, seed, place) not in skipped
    ]
    return Results(
        CONFIG,
        cells,
        dict.fromkeys(TASKS, (1.25, 62.5)),
        {"smax/3m": Reference(0.0, 2.0)},
        [
            Model(*TASKS[0], "logo", 0, (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)),
            Model(*TASKS[0], "logo", 1, (0.4, 0.5, 0.6), (0.7, 0.8, 0.9)),
        ],
        len(skipped),
        1.25,
    )


def test_a_score_is_0_for_random_and_100_for_the_expert():
    reference = Reference(-10.0, 30.0)
    assert reference.score(-10.0) == 0.0
    assert reference.score(30.0) == 100.0
    assert reference.score(10.0) == 50.0
    assert math.isnan(Reference(1.0, 1.0).score(3.0))


def test_scores_are_seeds_by_tasks():
    scores = results().scores()
    np.testing.assert_array_equal(scores["MACQL"], [[10, 50], [20, 60], [30, 70]])
    np.testing.assert_array_equal(scores["LOGO"], scores["MACQL"] + 5)


def test_only_seeds_that_every_arm_finished_everywhere_are_aggregated():
    found = results(skipped={("LOGO", 1, 0)})
    assert found.seeds == [0, 2]
    np.testing.assert_array_equal(found.scores()["MACQL"], [[10, 50], [30, 70]])
    text = markdown(found)
    assert "Seeds that every arm has finished: 0, 2. 1 cells are not finished yet." in text


def test_half_of_an_interval_by_hand():
    # Standard deviation 1 over three, t at 97.5 % with two degrees of freedom: 4.3027.
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)


def test_the_tables_say_what_the_cells_do():
    text = markdown(results())
    lines = text.splitlines()
    assert "|  | 3m medium-replay | 3m medium |" in lines
    assert "| MACQL | 20.0 ± 24.8 | 60.0 ± 24.8 |" in lines
    assert "| the data | 62.5 | 62.5 |" in lines
    assert "| LOGO | 50.0 ± 0.0 | 50.0 ± 0.0 |" in lines  # episodes won
    # 4 of 6 + 2 ties counted half: LOGO's 15, 25, 35 against 10, 20, 30.
    (row,) = [line for line in lines if line.startswith("| LOGO | 4")]
    assert row.startswith("| LOGO | 45.0 [")
    assert "| 0.67 [" in row
    assert "chance to beat MACQL" in text


def test_a_planned_arm_is_one_of_the_arms():
    planned = PlannedArm("LOGO, planned", "LOGO", ("planner.horizon=3",))
    before = results()
    more = [cell("LOGO, planned", k, task, 90.0) for task in TASKS for k in (0, 1, 2)]
    config = dataclasses.replace(CONFIG, planned=(planned,))
    assert dataclasses.replace(before, config=config).seeds == []
    after = dataclasses.replace(before, config=config, cells=[*before.cells, *more])
    np.testing.assert_array_equal(after.scores()["LOGO, planned"], np.full((3, 2), 90.0))
    assert after.aggregate.interquartile_means["LOGO, planned"].value == pytest.approx(90.0)
    assert "| LOGO, planned | 90.0 ± 0.0 | 90.0 ± 0.0 |" in markdown(after)


def test_claims_are_judged_over_pairs_of_a_seed():
    claims = (
        Claim("imagined data help", "LOGO", "MACQL"),
        Claim("or harm", "MACQL", "LOGO"),
        Claim("nothing is better than itself", "LOGO", "LOGO"),
    )
    found = dataclasses.replace(results(), config=dataclasses.replace(CONFIG, claims=claims))
    # Arms spread by 10 over seeds, but each pair differs by 5: no doubt about the gain.
    assert found.gain(claims[0]) == {
        **dict.fromkeys(TASKS, (5.0, 5.0, 5.0)),
        None: (5.0, 5.0, 5.0),
    }
    lines = markdown(found).splitlines()
    five = "5.0 [5.0, 5.0]"
    assert f"| imagined data help | LOGO > MACQL | {five} | {five} | {five} | confirmed |" in lines
    assert any(line.startswith("| or harm |") and "| refuted |" in line for line in lines)
    assert any(line.startswith("| nothing") and "| undecided |" in line for line in lines)


def test_one_seed_is_no_interval():
    text = markdown(results(skipped={("LOGO", 1, 0), ("LOGO", 2, 0)}))
    assert "| LOGO | 15.0 (1 seed) |" in text


def test_a_cell_that_is_not_there_is_a_dash():
    text = markdown(results(skipped={("LOGO", k, 0) for k in (0, 1, 2)}))
    assert "| LOGO | – |" in text
    assert "Seeds that every arm has finished: none." in text


def test_the_files_are_written_and_the_page_only_when_it_changed(tmp_path):
    write_results(results(), tmp_path)
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0].startswith("scenario,quality,arm,seed,return_mean")
    assert lines[1] == ("smax/3m,medium-replay,MACQL,0,0.2,0.1,0.0,2.0,32,0.5,10.0,100,1.5,d,,p,e")
    assert len(lines) == 1 + 12
    page = tmp_path / "report.html"
    text = page.read_text()
    for said in ("interquartile mean", "Performance profiles", "How it was made", "World models"):
        assert said in text
    assert text.count("<svg") == 3
    assert "<td>0.300 / 0.400 / 0.500</td><td>0.600 / 0.700 / 0.800</td>" in text
    before = page.stat().st_mtime_ns
    write_results(results(), tmp_path)
    assert page.stat().st_mtime_ns == before
    write_results(dataclasses.replace(results(), hours=2.0), tmp_path)
    assert page.stat().st_mtime_ns != before
