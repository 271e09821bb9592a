"""Verdicts that a README quotes: wins, ties and losses of differences paired by seed."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def table(benchmark_script):
    return benchmark_script("world_models_table")


def _runs(errors):
    return {seed: {"figures": {"error": value}} for seed, value in enumerate(errors)}


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([-1.0, -1.1, -0.9, -1.0, -1.2], "win"),
        ([1.0, 1.1, 0.9, 1.0, 1.2], "loss"),
        ([-1.0, -0.1, -0.1, -0.1, -0.1], "tie"),  # one sign, but a single seed says so
        ([-1.0, -1.1, -0.9, -1.0], None),
    ],
)
def test_a_verdict_needs_five_pairs_that_agree(table, differences, expected):
    theirs = np.linspace(3.0, 9.0, len(differences))
    ours = theirs + np.array(differences)
    assert table.verdict(_runs(ours), _runs(theirs), ("error",)) == expected


def test_a_change_is_paired_in_per_cent_and_bold_where_it_is_one(table):
    """Ours 1, 2, 3, 4, 5 (mean 3), theirs .3 more: 10 %, whatever the seeds spread."""
    column = "s' 1"

    def runs(errors):
        return {
            seed: {"figures": {"state_nrmse": {"1": value}}} for seed, value in enumerate(errors)
        }

    ours = np.arange(1.0, 6.0)
    noise = np.array([0.3, -0.3, 0.0, 0.3, -0.3])
    assert table._change(runs(ours), runs(ours + 0.3), column) == "**+10.0 ± 0.0**"
    assert table._change(runs(ours), runs(ours + noise), column) == "+0.0 ± 12.4"
    assert table._change(runs(ours[:2]), runs(ours[:2]), column) == "+0.0 ?"
    assert table._change(runs(ours), {}, column) == "–"


def test_the_brief_table_marks_who_wins(table):
    def runs(error):
        errors = {"state_nrmse": {"1": error, "15": 10.5}}
        return {seed: {"figures": errors} for seed in range(5)}

    groups = {("3m", 1.0): {"logo": runs(0.25), "a": runs(0.5), "b": runs(0.25), "c": runs(-0.1)}}
    head, _, state, *_ = table.brief(groups, "logo").splitlines()
    assert head == "| data | error | logo | a | b | c |"
    assert state == (
        "| 3m, 100% | s' after 1 / 15 steps | .250 / 10.500 | .500 / 10.500 = "
        "| .250 = / 10.500 = | -.100 **+** / 10.500 = |"
    )


def test_intervals_are_students(table):
    """Mean 2, s 1, n 5: 2 -+ 2.776 / sqrt(5)."""
    values = np.array([2.0, 2.0, 2.0, 2.0, 2.0]) + np.sqrt(5 / 4) * np.array([-1, -1, 0, 1, 1]) * (
        np.sqrt(4 / 5)
    )
    assert values.std(ddof=1) == pytest.approx(1)
    assert table._bounds(values) == pytest.approx((2 - 1.2417, 2 + 1.2417), abs=1e-3)


def test_the_tally_counts_all_judged_errors_of_a_share(table):
    """s' after 1 step alone is known: a win on one dataset, a loss on the other."""

    def runs(error):
        return {seed: {"figures": {"state_nrmse": {"1": error}}} for seed in range(5)}

    groups = {
        ("3m", 1.0): {"logo": runs(0.25), "a": runs(0.5)},
        ("8m", 1.0): {"logo": runs(0.5), "a": runs(0.25)},
        ("8m", 0.1): {"logo": runs(0.5), "a": runs(0.5)},
    }
    *_, whole, tenth = table.tally(groups, "logo").splitlines()
    assert whole == "| 100% | 1 / 0 / 1 |"
    assert tenth == "| 10% | 0 / 1 / 0 |"


def test_the_table_of_trust_shows_steps_of_lists_and_dashes_where_nothing_is_known(table):
    coverage = {"coverage": {"coverage": [0.5, 0.5, 0.5, 0.5, 0.75]}}
    groups = {("3m", 1.0): {"logo": {0: {"figures": coverage}}, "a": {0: {"figures": {}}}}}
    *_, last = table.trust(groups, "logo").splitlines()
    assert last == (
        "| 3m, 100% | coverage of the 90 % bound after 1 / 5 / 15 steps "
        "| .500 / .750 / – | – / – / – |"
    )
