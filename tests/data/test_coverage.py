"""Coverage of clouds of states whose shape is known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from logo_tf.data import coverage
from logo_tf.data.coverage import StateCoverage, state_coverage
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import write_dataset
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

Cover = Callable[..., StateCoverage]


@pytest.fixture
def cover(
    tmp_path: Path, continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> Cover:
    """``cover(states)``: the coverage of one episode that visits (T, S) states."""

    def measure(states: np.ndarray, **changed: int) -> StateCoverage:
        rows, width = states.shape
        spec = dataclasses.replace(continuous_spec, state_dim=width, **changed)
        (episode,) = make_episodes(spec, 1, length=rows)
        episode.state[:] = np.concatenate([states, states[-1:]])
        name = f"d{len(list(tmp_path.iterdir()))}"
        dataset = write_dataset(tmp_path / name, spec, [episode], {}, {})
        return state_coverage(dataset, standardisation(dataset))

    return measure


def square(rows: int) -> np.ndarray:
    """The corners of a square, again and again."""
    return np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] * (rows // 4), np.float32)


def test_directions_by_hand(cover: Cover) -> None:
    corners = square(400)
    assert cover(corners).effective_rank == pytest.approx(2, abs=1e-3)
    # A third dimension that repeats the first: eigenvalues 2 and 1 of 3.
    three = np.column_stack([corners, 5 * corners[:, 0] + 2])
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert cover(three).effective_rank == pytest.approx(math.exp(entropy), abs=2e-3)
    line = cover(corners[:, :1])
    assert (line.dimensions, line.effective_rank) == (1, pytest.approx(1))


def test_cells_by_hand(cover: Cover) -> None:
    line = cover(square(400)[:, :1])
    assert (line.cells, line.visited) == (2, 2)
    assert line.evenness == pytest.approx(1, abs=1e-3)
    corners = cover(square(400))
    assert (corners.cells, corners.visited) == (4, 4)
    assert corners.evenness == pytest.approx(1, abs=1e-3)
    two = cover(np.repeat(square(4)[[0, 3]], [30, 10], axis=0))  # and the last row, again
    shares = np.array([31, 10]) / 41
    assert two.visited == 2
    assert two.evenness == pytest.approx(-np.sum(shares * np.log(shares)) / math.log(4), abs=0.02)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(3000, 6)).astype(np.float32)
    cloud = cover(states)
    assert (cloud.cells, cloud.visited) == (64, 64)
    assert cloud.evenness > 0.99
    states[:2850] = 1
    assert cover(states).evenness < 0.2
    assert cover(rng.normal(size=(30, 12)).astype(np.float32)).cells == 1024


def test_what_never_changes_or_repeats_actions_is_left_out(cover: Cover) -> None:
    states = np.column_stack([square(40), np.full(40, 3, np.float32), np.arange(40) % 2])
    assert cover(states.astype(np.float32)).dimensions == 3
    # Two agents of two action numbers: dimensions 0 to 3 repeat them.
    wide = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    assert cover(wide, last_action_offset=0).dimensions == 2
    none = cover(np.full((8, 2), 3, np.float32))
    assert none == StateCoverage(8, 0, 0.0, 1, 1, 0.0)


def test_many_states_are_drawn_from(cover: Cover, monkeypatch: pytest.MonkeyPatch) -> None:
    states = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    whole = cover(states)
    monkeypatch.setattr(coverage, "_ROWS", 1000)
    part = cover(states)
    assert (whole.rows, part.rows) == (2000, 1000)
    assert part.effective_rank == pytest.approx(whole.effective_rank, rel=0.01)
    assert part.evenness == pytest.approx(whole.evenness, abs=0.02)
    assert cover(states) == part
