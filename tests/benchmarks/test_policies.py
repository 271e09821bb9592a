"""Where a step's time goes, from seconds that are known."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def policies(benchmark_script):
    return benchmark_script("policies")


def test_the_parts_of_a_turn_are_told_apart_and_are_all_of_it(policies):
    fresh = [{"seconds": 10.0, "graph": 7.0, "imagining": 2.0}]
    repeated = [{"seconds": 9.0, "graph": 6.5, "imagining": 2.0}]
    found = {name: values[0] for name, values in policies.shares(fresh, repeated).items()}
    assert found == pytest.approx(
        {
            "sampling": 0.05,
            "imagination": 0.2,
            "learning": 0.65,
            "Python": 0.1,
            "sampling + Python": 0.15,
        }
    )
    parts = ("sampling", "imagination", "learning", "Python")
    assert sum(found[name] for name in parts) == pytest.approx(1.0)
