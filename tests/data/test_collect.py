"""Collection: as many steps as asked, each policy its share, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.data import collect as collecting
from logo_tf.data.collect import CollectConfig, collect
from logo_tf.data.store import load_dataset
from logo_tf.errors import LogoError
from logo_tf.scenarios.protocol import Frame
from logo_tf.specs import ScenarioSpec

NAME = "toy/walk"


class Walk:
    """A scenario whose episodes last 3 to 7 steps, drawn at reset."""

    def __init__(self, spec: ScenarioSpec) -> None:
        self.spec = spec
        self.closed = False

    def reset(self, seed: int | None = None) -> Frame:
        self._rng = np.random.default_rng(seed)
        self._left = int(self._rng.integers(3, 8))
        return self._frame(0.0)

    def step(self, actions: np.ndarray) -> Frame:
        self._left -= 1
        return self._frame(float(actions[0, 0]))

    def render(self) -> np.ndarray:
        raise LogoError("nothing to see")

    def close(self) -> None:
        self.closed = True

    def _frame(self, reward: float) -> Frame:
        n = self.spec.num_agents
        observations = self._rng.normal(size=(n, self.spec.observation_dim))
        return Frame(
            observations=(observations * self.spec.observation_mask).astype(np.float32),
            state=self._rng.normal(size=self.spec.state_dim).astype(np.float32),
            legal_actions=np.ones((n, 0), bool),
            agent_mask=np.ones(n, bool),
            reward=reward,
            terminated=self._left == 0,
            truncated=False,
        )


class Constant:
    """Always the same action, so that its rewards tell who played."""

    def __init__(self, spec: ScenarioSpec, value: float) -> None:
        self._actions = np.full(spec.action_shape, value) * spec.action_mask

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        return np.tile(self._actions, (len(observations), 1, 1))


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch, continuous_spec: ScenarioSpec) -> list[Walk]:
    """Stand-ins for the registry and the shipped policies: three snapshots, .1, .2 and .3."""
    made: list[Walk] = []

    def make(name: str) -> Walk:
        made.append(Walk(continuous_spec))
        return made[-1]

    def policies(name: str, quality: str, behaviour: str) -> list[tuple[float, Any]]:
        return [(1 / 3, Constant(continuous_spec, v)) for v in (0.1, 0.2, 0.3)]

    monkeypatch.setattr(collecting, "make_scenario", make)
    monkeypatch.setattr(collecting, "scenario_spec", lambda name: continuous_spec)
    monkeypatch.setattr(collecting, "behaviour_policies", policies)
    return made


def test_steps_shares_and_order(tmp_path: Path, walks: list[Walk]) -> None:
    dataset = collect(CollectConfig(NAME, "random", 300, 1), tmp_path / "d")
    assert 300 <= dataset.num_transitions < 307
    assert dataset.terminated.all()
    players = np.round(10 * dataset.returns / dataset.lengths).astype(int)
    # At any moment the snapshots are within one episode of equal shares.
    for count in range(1, dataset.num_episodes + 1):
        played = [dataset.lengths[:count][players[:count] == p].sum() for p in (1, 2, 3)]
        assert max(played) - min(played) <= 7
    assert walks
    assert all(walk.closed for walk in walks)
    assert dataset.manifest.config["steps"] == 300
    assert dataset.manifest.provenance["environment"] == dataset.spec.environment


def test_the_seed_fixes_everything(tmp_path: Path, walks: list[Walk]) -> None:
    first = collect(CollectConfig(NAME, "random", 60, 1), tmp_path / "a")
    again = collect(CollectConfig(NAME, "random", 60, 1), tmp_path / "b")
    other = collect(CollectConfig(NAME, "random", 60, 2), tmp_path / "c")
    assert first.manifest.hash == again.manifest.hash
    assert first.manifest.files != other.manifest.files


def test_more_steps_continue_the_same_episodes(tmp_path: Path, walks: list[Walk]) -> None:
    few = collect(CollectConfig(NAME, "random", 30, 1), tmp_path / "a")
    many = collect(CollectConfig(NAME, "random", 90, 1), tmp_path / "b")
    np.testing.assert_array_equal(
        few.field("state"), many.field("state")[: len(few.field("state"))]
    )


def test_provenance_names_the_behaviour(
    tmp_path: Path, walks: list[Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = {"qualities": {"medium": 3}, "versions": {"3": {"return": 1.0}}, "curve": []}
    folder = tmp_path / "walk-behaviour"
    folder.mkdir()
    (folder / "behaviour.json").write_text("{}")
    monkeypatch.setattr(collecting, "read_behaviour_index", lambda name: index)
    monkeypatch.setattr(collecting, "behaviour_folder", lambda name: folder)
    dataset = collect(CollectConfig(NAME, "medium", 10, 1), tmp_path / "d")
    behaviour = dataset.manifest.provenance["behaviour"]
    assert behaviour["policies"] == "walk-behaviour"
    assert behaviour["qualities"] == {"medium": 3}
    assert behaviour["versions"] == {"3": {"return": 1.0}}
    assert len(behaviour["index_sha256"]) == 64


def test_a_real_scenario(tmp_path: Path) -> None:
    collect(CollectConfig("mamujoco/HalfCheetah-2x3", "random", 1000, 0), tmp_path / "d")
    dataset = load_dataset(tmp_path / "d")
    assert dataset.lengths.tolist() == [1000]
    assert not dataset.terminated[0]
    assert -700 < dataset.returns[0] < 0


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="steps must be at least 1"):
        CollectConfig(steps=0)
    with pytest.raises(LogoError, match="unknown scenario"):
        collect(CollectConfig("mamujoco/HalfCheeta-2x3", "random", 10), tmp_path / "d")
    (tmp_path / "d").mkdir()
    with pytest.raises(LogoError, match="already exists"):
        collect(CollectConfig("mamujoco/HalfCheetah-2x3", "random", 10), tmp_path / "d")
