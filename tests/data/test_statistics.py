"""Figures against numbers worked out by hand."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from logo_tf.data import coverage, distinct, rows
from logo_tf.data.duplicates import Duplicates
from logo_tf.data.plots import _action_counts, write_plots
from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.statistics import Padding, statistics
from logo_tf.data.store import Dataset, load_dataset, write_dataset
from logo_tf.data.table import statistics_table
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

SPEC = ScenarioSpec(
    name="toy/hand",
    environment="toy 1",
    agents=("a", "b"),
    observation_dims=(2, 2),
    state_dim=2,
    action_kind="discrete",
    action_dims=(3, 3),
    episode_limit=4,
    noop_action=0,
    win_reward=5.0,
)


def by_hand(actions: list[list[int]], rewards: list[float], died: int, end: bool) -> Episode:
    """Agent b dies at row ``died``; the state is (0, 7), (1, 7), ... and agents see the step."""
    rows = len(rewards) + 1
    alive = np.ones((rows, 2), bool)
    alive[died:, 1] = False
    legal = np.zeros((rows, 2, 3), bool)
    legal[alive] = [False, True, True]
    legal[~alive] = [True, False, False]
    steps = np.arange(rows, dtype=np.float32)
    observations = np.stack([steps, np.full(rows, 3.0, np.float32)], -1)
    return Episode(
        observations=(observations[:, None] * alive[..., None]).astype(np.float32),
        state=np.stack([steps, np.full(rows, 7.0, np.float32)], -1),
        actions=np.asarray(actions, np.int32),
        rewards=np.asarray(rewards, np.float32),
        legal_actions=legal,
        agent_mask=alive,
        terminated=end,
    )


@pytest.fixture
def hand(tmp_path: Path) -> Dataset:
    """Seven transitions; the second episode repeats the first's first two."""
    made = [
        by_hand([[1, 1], [2, 1], [2, 0]], [0.0, 1.0, 5.0], died=2, end=True),
        by_hand([[1, 1], [2, 1], [1, 2], [1, 1]], [0.0, 0.0, 0.0, 2.0], died=4, end=False),
    ]
    return write_dataset(tmp_path / "hand", SPEC, made, {}, {})


def test_figures_by_hand(hand: Dataset) -> None:
    figures = statistics(hand)
    assert (figures.episodes, figures.transitions) == (2, 7)
    assert (figures.terminated, figures.won) == (0.5, 0.5)
    assert (figures.returns.mean, figures.returns.std) == (4.0, 2.0)
    assert (figures.lengths.min, figures.lengths.max) == (3, 4)
    assert figures.rewarded == pytest.approx(3 / 7)
    assert figures.alive_share == pytest.approx(13 / 14)
    assert figures.legal_share == pytest.approx(2 / 3)
    assert figures.rewarded_at_end == pytest.approx(7 / 8)
    assert figures.joint_actions == 4
    assert figures.duplicates == Duplicates(pytest.approx(2 / 7), episodes=0, first_states=1)
    assert (figures.coverage.rows, figures.coverage.dimensions) == (7, 1)
    assert figures.padding == ()
    assert (figures.constant_state, figures.constant_observation) == (1, 2)
    first, second = figures.actions
    assert first.shares == pytest.approx((0, 4 / 7, 3 / 7))
    assert second.shares == pytest.approx((0, 5 / 6, 1 / 6))  # its no-op when dead is no choice
    assert second.legal_shares == pytest.approx((0, 1, 1))
    assert (first.coverage, second.coverage) == (1, 1)
    assert json.loads(json.dumps(figures.to_dict())) == figures.to_dict()


def test_continuous_actions(
    tmp_path: Path, continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> None:
    (episode,) = make_episodes(continuous_spec, 1)
    episode.actions[:] = 0
    episode.actions[:4, 0, 0] = 1.0
    episode.actions[4:, 0, 0] = -1.0
    cut = {"inferred": {"cut_as_padding": {"observations": {"agent 1": 1}}}}
    figures = statistics(write_dataset(tmp_path / "d", continuous_spec, [episode], {}, cut))
    assert figures.joint_actions is None
    assert figures.padding == (Padding("b", 1, 1, {"observations": 1}),)
    assert json.loads(json.dumps(figures.to_dict())) == figures.to_dict()
    first, second = figures.actions
    assert first.means == (0.0, 0.0)
    assert first.stds == (1.0, 0.0)
    assert first.at_bounds == (1.0, 0.0)
    assert first.coverage == pytest.approx((2 + 1) / 40)
    assert second.stds == (0.0,)  # the padded dimension is left out


def test_standardisation_by_hand(hand: Dataset) -> None:
    scale = standardisation(hand)
    steps = np.array([0, 1, 2, 3, 0, 1, 2, 3, 4])  # all rows, bootstrap too
    assert scale.state_mean == pytest.approx([steps.mean(), 7])
    assert scale.state_std == pytest.approx([steps.std(), 1])
    assert scale.state_constant.tolist() == [False, True]
    assert (scale.state_min.tolist(), scale.state_max.tolist()) == ([0, 7], [4, 7])
    living = np.array([0, 1, 0, 1, 2, 3])  # agent b's
    assert scale.observation_mean[1] == pytest.approx([living.mean(), 3])
    assert scale.observation_std[1] == pytest.approx([living.std(), 1])
    assert scale.observation_max.tolist() == [[4, 3], [3, 3]]
    rewards = np.array([0, 1, 5, 0, 0, 0, 2])  # transitions only
    assert scale.reward_mean == pytest.approx(rewards.mean())
    assert scale.reward_std == pytest.approx(rewards.std())
    assert (scale.reward_min, scale.reward_max) == (0, 5)
    assert standardisation(hand, np.array([0])).state_max[0] == 3


def test_standardisation_of_padding_and_chunks(
    tiny_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tiny_dataset("continuous")
    scale = standardisation(dataset)
    assert scale.observation_constant.tolist() == [[False] * 4, [False] * 3 + [True]]
    assert (scale.observation_mean[1, 3], scale.observation_std[1, 3]) == (0, 1)
    state = np.asarray(dataset.field("state"), np.float64)
    np.testing.assert_allclose(scale.state_mean, state.mean(0), atol=1e-6)
    np.testing.assert_allclose(scale.state_std, state.std(0), rtol=1e-6)
    monkeypatch.setattr("logo_tf.data.rows._BLOCK_BYTES", 700)
    again = standardisation(load_dataset(dataset.path))
    np.testing.assert_allclose(again.state_std, scale.state_std, rtol=1e-6)


def test_standardisation_round_trip(tiny_dataset: Callable[..., Dataset]) -> None:
    scale = standardisation(tiny_dataset("discrete"))
    data = json.loads(json.dumps(scale.to_dict()))
    again = Standardisation.from_dict(data)
    for name in data:
        np.testing.assert_array_equal(getattr(again, name), getattr(scale, name))
    assert again.state_mean.dtype == np.float32
    assert again.state_constant.dtype == bool
    del data["reward_std"]
    with pytest.raises(LogoError, match="reward_std"):
        Standardisation.from_dict(data)


def test_an_agent_that_never_lives(tmp_path: Path) -> None:
    dead = by_hand([[1, 0]], [1.0], died=0, end=True)
    dataset = write_dataset(tmp_path / "d", SPEC, [dead], {}, {})
    assert standardisation(dataset).observation_constant[1].all()
    assert statistics(dataset).actions[1].shares == ()


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_table_and_plots(tiny_dataset: Callable[..., Dataset], tmp_path: Path, kind: str) -> None:
    dataset = tiny_dataset(kind)
    stream = io.StringIO()
    Console(file=stream, width=120).print(statistics_table(statistics(dataset)))
    for text in ("transitions", "160", "step reward", "std", "state coverage: cells"):
        assert text in stream.getvalue()
    assert ("that an agent lacks" in stream.getvalue()) == (kind == "continuous")
    files = write_plots(dataset, tmp_path / "plots")
    assert [file.name for file in files] == [
        "returns.png",
        "lengths.png",
        "actions.png",
        "states.png",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_actions_are_drawn_block_by_block(
    tiny_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tiny_dataset("continuous")
    actions = np.concatenate([episode.actions for episode in dataset.episodes()])
    monkeypatch.setattr(rows.Rows, "rows_at_once", 7)
    counts = _action_counts(dataset)
    for agent, dimension in ((0, 0), (0, 1), (1, 0)):
        whole, _ = np.histogram(actions[:, agent, dimension], 40, (-1, 1))
        assert counts[agent, dimension].tolist() == whole.tolist()
    assert not counts[1, 1].any()  # padding


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_blocks_and_shards_change_nothing(
    tiny_dataset: Callable[..., Dataset],
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = tiny_dataset(kind)
    whole = statistics(dataset).to_dict()
    out = tmp_path / "shards"
    write_dataset(out, dataset.spec, dataset.episodes(), {}, {}, shard_bytes=3000)
    monkeypatch.setattr(rows.Rows, "rows_at_once", 7)
    assert _close(statistics(load_dataset(out)).to_dict(), whole)


def _close(found: Any, expected: Any) -> bool:
    """Equal, but for the rounding of sums."""
    if isinstance(expected, dict):
        return all(_close(found[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return all(map(_close, found, expected))
    if isinstance(expected, float):
        expected = pytest.approx(expected, rel=1e-6, abs=1e-9)
    return bool(found == expected)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_memory_does_not_grow_with_transitions(
    tmp_path: Path,
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    make_episodes: Callable[..., list[Episode]],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 2**14)
    monkeypatch.setattr(distinct, "_MOST", 100)
    monkeypatch.setattr(coverage, "_ROWS", 100)
    spec = continuous_spec if kind == "continuous" else discrete_spec
    episodes = make_episodes(spec, 80, length=100)

    def peak(count: int) -> int:
        """Bytes that are held at most while figures are made; there are dozens of shards."""
        out = tmp_path / f"d{count}"
        dataset = write_dataset(out, spec, episodes[:count], {}, {}, shard_bytes=25_000)
        tracemalloc.start()
        try:
            statistics(dataset)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(9)  # what is imported and cached but once
    # A bool a transition would be too much, some numbers an episode are not.
    assert peak(80) - peak(10) < 70 * 100


def test_the_real_file_in_figures(sc2_dataset: Dataset) -> None:
    figures = statistics(sc2_dataset)
    assert figures.duplicates.first_states == 9
    assert figures.constant_state == 2
    assert figures.won == 0.5415
    assert figures.duplicates.transitions == pytest.approx(0.278, abs=1e-3)
    assert figures.duplicates.episodes == 0
    assert figures.joint_actions == 135
    assert figures.coverage.rows == 50_000
    assert figures.coverage.dimensions == 21
    assert figures.coverage.effective_rank == pytest.approx(8.19, abs=0.01)
    assert figures.coverage.evenness == pytest.approx(0.72, abs=2e-3)
