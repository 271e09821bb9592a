"""Datasets beside scenarios: those that fit, and every way in which one does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.data import fit
from logo_tf.data.check import Check
from logo_tf.data.collect import CollectConfig, collect
from logo_tf.data.fit import check_fit
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Frame
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.specs import ScenarioSpec, unrecorded

Build = Callable[..., Dataset]


class Toy:
    """States begin between -1 and 1 around 5 and drift; action 2 is illegal at first."""

    def __init__(self, spec: ScenarioSpec) -> None:
        self.spec = spec
        self.closed = False

    def reset(self, seed: int | None = None) -> Frame:
        self._rng = np.random.default_rng(seed)
        self._state = 5 + self._rng.uniform(-1, 1, self.spec.state_dim)
        self._step, self._last = 0, int(self._rng.integers(3, self.spec.episode_limit + 1))
        return self._frame(0.0)

    def step(self, actions: np.ndarray) -> Frame:
        self._step += 1
        self._state = self._state + self._rng.normal(size=self.spec.state_dim)
        return self._frame(0.1 * float(actions.sum()) - 0.2)

    def render(self) -> np.ndarray:
        raise LogoError("nothing to see")

    def close(self) -> None:
        self.closed = True

    def _frame(self, reward: float) -> Frame:
        n, spec = self.spec.num_agents, self.spec
        legal = np.ones((n, spec.legal_dim), bool)
        if spec.discrete:
            legal[:, 2] = self._step > 0
        seen = np.tile(self._state[: spec.observation_dim], (n, 1)) * spec.observation_mask
        return Frame(
            observations=seen.astype(np.float32),
            state=self._state.astype(np.float32),
            legal_actions=legal,
            agent_mask=np.ones(n, bool),
            reward=reward,
            terminated=self._step == self._last < spec.episode_limit,
            truncated=self._step == spec.episode_limit,
        )


@pytest.fixture
def build(
    tmp_path: Path,
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> Build:
    """``build("discrete", change, **spec)``: 30 random episodes of the toy, changed.

    The scenario is the unchanged toy.
    """

    def make(
        kind: str, change: Callable[[Episode], dict[str, Any]] | None = None, **of_spec: Any
    ) -> Dataset:
        spec = continuous_spec if kind == "continuous" else discrete_spec
        monkeypatch.setattr("logo_tf.data.rows._BLOCK_BYTES", 700)  # episodes come some at a time
        monkeypatch.setattr(fit, "make_scenario", lambda name: Toy(spec))
        made = list(play([Toy(spec)], RandomPolicy(spec), 30, seed=4))
        if change:
            made = [dataclasses.replace(one, **change(one)) for one in made]
        changed = dataclasses.replace(spec, **of_spec)
        return write_dataset(tmp_path / "d", changed, made, {}, {})

    return make


def odd(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.verdict == "does not fit"]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_its_own_scenario(build: Build, kind: str) -> None:
    dataset = build(kind)
    checks = check_fit(dataset, "toy")
    assert {check.verdict for check in checks} == {"fits"}
    assert check_fit(dataset, "toy") == checks
    names = [check.name for check in checks]
    assert names[:5] == [
        "kind of actions",
        "agents",
        "observation widths",
        "state width",
        "action widths",
    ]
    assert ("action bounds" in names) == (kind == "continuous")
    assert ("first legal actions" in names) == (kind == "discrete")
    first = next(check for check in checks if check.name == "first states")
    assert first.dataset.startswith(f"{dataset.spec.state_dim} of {dataset.spec.state_dim} dim")
    # Without playing, what needs it is left out.
    assert check_fit(dataset, "toy", episodes=0) == checks[: names.index("first states")]


CHANGES: list[tuple[str, Callable[[Episode], dict[str, Any]], str, str]] = [
    (
        "discrete",
        lambda e: {"state": e.state * np.float32([1, 1, 1, 2, 1, 1])},
        "first states",
        "1 of 6 dimensions elsewhere; dimension 3: ",
    ),
    (
        "continuous",
        lambda e: {"observations": (e.observations - 5) * (e.observations != 0)},
        "first observations",
        "7 of 7 dimensions elsewhere; a, dimension 0: ",
    ),
    (
        "discrete",
        lambda e: {"legal_actions": np.ones_like(e.legal_actions)},
        "first legal actions",
        "a, action 2: always legal (and 2 more)",
    ),
    ("discrete", lambda e: {"rewards": e.rewards + 9}, "step rewards", "8.8 to "),
    ("discrete", lambda e: {"rewards": e.rewards * 1000}, "step rewards", "-200 to "),
]


@pytest.mark.parametrize(("kind", "change", "name", "said"), CHANGES)
def test_values_of_another_environment(
    build: Build, kind: str, change: Callable[[Episode], dict[str, Any]], name: str, said: str
) -> None:
    checks = check_fit(build(kind, change, noop_action=None), "toy")
    assert odd(checks) == [name]
    (found,) = [check for check in checks if check.verdict == "does not fit"]
    assert found.dataset.startswith(said)


@pytest.mark.parametrize(
    ("of_spec", "name", "dataset", "scenario", "verdict"),
    [
        ({"environment": "tox 1"}, "environment", "tox 1", "toy 1", "does not fit"),
        ({"environment": "toy 1 (a 2)"}, "environment", "toy 1 (a 2)", "toy 1", "cannot tell"),
        ({"environment": "1"}, "environment", "1", "toy 1", "fits"),
        (
            {"environment": unrecorded("OMAR folder x")},
            "environment",
            "not recorded (OMAR folder x)",
            "toy 1",
            "cannot tell",
        ),
        (
            {"action_low": ((-2.0, -1.0), (-1.0, 0.0))},
            "action bounds",
            "-2 to 1, -1 to 1; -1 to 1",
            "-1 to 1",
            "does not fit",
        ),
    ],
)
def test_what_specs_say(
    build: Build, of_spec: dict[str, Any], name: str, dataset: str, scenario: str, verdict: str
) -> None:
    checks = check_fit(build("continuous", **of_spec), "toy")
    (found,) = [check for check in checks if check.name == name]
    assert found == Check(name, verdict, dataset, scenario)  # type: ignore[arg-type]


def test_all_that_differs_is_listed_and_nothing_is_played(
    build: Build, tiny_dataset: Callable[..., Dataset]
) -> None:
    build("discrete")
    checks = check_fit(tiny_dataset("continuous"), "toy")
    assert odd(checks) == [
        "kind of actions",
        "agents",
        "observation widths",
        "state width",
        "action widths",
    ]
    widths = next(check for check in checks if check.name == "observation widths")
    assert (widths.dataset, widths.scenario) == ("4, 3", "4 each")
    assert not any(check.name.startswith("first") for check in checks)


def test_actions_of_the_dead_and_time_limits(
    build: Build, discrete_spec: ScenarioSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = build("discrete", noop_action=None)
    found = {check.name: check for check in check_fit(dataset, "toy", episodes=0)}
    assert found["action of the dead"].verdict == "cannot tell"
    other = dataclasses.replace(discrete_spec, noop_action=None, episode_limit=5)
    monkeypatch.setattr(fit, "make_scenario", lambda name: Toy(other))
    found = {check.name: check for check in check_fit(dataset, "toy", episodes=0)}
    assert "action of the dead" not in odd(list(found.values()))
    assert found["episode lengths"].verdict == "does not fit"
    assert found["episode lengths"].scenario == "at most 5 steps"


def test_ends_and_rewards_that_chance_alone_may_miss(
    build: Build, discrete_spec: ScenarioSpec
) -> None:
    def never(episode: Episode) -> dict[str, Any]:
        return {"terminated": False, "rewards": np.zeros_like(episode.rewards)}

    found = {check.name: check for check in check_fit(build("discrete", never), "toy", episodes=9)}
    assert found["ends of episodes"].verdict == found["step rewards"].verdict == "cannot tell"
    assert found["ends of episodes"].dataset == "0 % ended by the scenario"


def test_the_scenario_is_closed(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = build("continuous")
    toy = Toy(dataset.spec)
    monkeypatch.setattr(fit, "make_scenario", lambda name: toy)
    monkeypatch.setattr(toy, "reset", lambda seed: Toy(dataset.spec).step(np.zeros(1)))
    with pytest.raises(AttributeError):
        check_fit(dataset, "toy")
    assert toy.closed


def test_robots_whose_shapes_agree_by_accident(tmp_path: Path) -> None:
    """Walker2d-2x3 and HalfCheetah-2x3 are of equal sizes and bounds."""
    config = CollectConfig("mamujoco/Walker2d-2x3", "random", 60, 0)
    dataset = collect(config, tmp_path / "walker")
    assert odd(check_fit(dataset, "mamujoco/Walker2d-2x3", 1)) == []
    checks = check_fit(dataset, "mamujoco/HalfCheetah-2x3", 1)
    assert odd(checks) == ["environment", "first states", "first observations"]
    first = next(check for check in checks if check.name == "first states")
    assert first.dataset.startswith("1 of 17 dimensions elsewhere; dimension 0: 1.2")
