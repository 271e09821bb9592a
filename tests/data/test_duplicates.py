"""What is there twice, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.data import distinct, rows
from logo_tf.data.duplicates import Duplicates, DuplicateTally
from logo_tf.data.steps import steps_of
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec


def duplicates(dataset: Dataset) -> Duplicates:
    tally = DuplicateTally()
    for steps in steps_of(dataset, ("state", "actions")):
        tally.add(steps)
    return tally.result()


@pytest.mark.parametrize("rows_at_once", [3, 65536])
def test_by_hand(
    tmp_path: Path,
    continuous_spec: ScenarioSpec,
    make_episodes: Callable[..., list[Episode]],
    monkeypatch: pytest.MonkeyPatch,
    rows_at_once: int,
) -> None:
    monkeypatch.setattr(distinct, "_ROWS_AT_ONCE", rows_at_once - 1)
    monkeypatch.setattr(rows.Rows, "rows_at_once", rows_at_once)
    (one,) = make_episodes(continuous_spec, 1, seed=0, length=4)
    (two,) = make_episodes(continuous_spec, 1, seed=1, length=4)
    two.state[0] = one.state[0]  # begins alike, and goes on otherwise
    (three,) = make_episodes(continuous_spec, 1, seed=2, length=4)
    three.state[1] = three.state[0] = 0
    three.state[1] *= -1  # -0
    three.actions[1] = three.actions[0]
    made = [one, two, one, three, one]
    dataset = write_dataset(tmp_path / "d", continuous_spec, made, {}, {})
    found = duplicates(dataset)
    assert found == Duplicates(pytest.approx((4 + 4 + 1) / 20), episodes=2, first_states=2)


def test_a_shorter_episode_is_another(
    tmp_path: Path, discrete_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    (long,) = make_episodes(discrete_spec, 1, length=6)
    short = Episode(
        **{
            name: np.array(getattr(long, name)[: 6 if name in ("actions", "rewards") else 7][:-2])
            for name in (
                "observations",
                "state",
                "actions",
                "rewards",
                "legal_actions",
                "agent_mask",
            )
        },
        terminated=False,
    )
    dataset = write_dataset(tmp_path / "d", discrete_spec, [long, short], {}, {})
    assert duplicates(dataset) == Duplicates(pytest.approx(0.4), 0, 1)
