"""Every rule of check_episode, broken once, and where the message says it broke."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from logo_tf.data.validate import check_episode
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

WHERE = "toy.h5: episode 4"


def broken(episode: Episode, field: str, place: tuple[int, ...], value: float) -> Episode:
    values = np.array(getattr(episode, field))
    values[place] = value
    return dataclasses.replace(episode, **{field: values})


@pytest.fixture
def continuous(
    continuous_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]
) -> Episode:
    return make_episodes(continuous_spec, 1)[0]


@pytest.fixture
def discrete(discrete_spec: ScenarioSpec, make_episodes: Callable[..., list[Episode]]) -> Episode:
    return make_episodes(discrete_spec, 1)[0]


def test_valid_episodes_pass(
    continuous: Episode,
    discrete: Episode,
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
) -> None:
    check_episode(continuous, continuous_spec, WHERE)
    check_episode(discrete, discrete_spec, WHERE)


@pytest.mark.parametrize(
    ("field", "place", "value", "message"),
    [
        ("state", (2, 1), np.nan, "step 2, state, dimension 1: value nan is not finite"),
        ("state", (8, 0), np.inf, "step 8, state, dimension 0: value inf is not finite"),
        ("rewards", (3,), -np.inf, "step 3, rewards: value -inf is not finite"),
        ("actions", (1, 0, 1), np.nan, "step 1, actions, agent 0, dimension 1"),
        ("observations", (5, 1, 3), 0.5, "agent 1, dimension 3: value 0.5 is padding"),
        ("actions", (6, 1, 1), 0.25, "step 6, actions, agent 1, dimension 1: value 0.25 is padd"),
        ("actions", (7, 0, 0), 1.01, "step 7, actions, agent 0, dimension 0: value 1.01 is out of"),
    ],
)
def test_continuous_faults(
    continuous: Episode,
    continuous_spec: ScenarioSpec,
    field: str,
    place: tuple[int, ...],
    value: float,
    message: str,
) -> None:
    with pytest.raises(LogoError, match=message) as caught:
        check_episode(broken(continuous, field, place, value), continuous_spec, WHERE)
    assert str(caught.value).startswith(WHERE)
    assert "\n" not in str(caught.value)


def test_rounding_at_a_bound_is_forgiven(
    continuous: Episode, continuous_spec: ScenarioSpec
) -> None:
    check_episode(broken(continuous, "actions", (0, 0, 0), 1.000001), continuous_spec, WHERE)


def test_discrete_faults(discrete: Episode, discrete_spec: ScenarioSpec) -> None:
    dead = discrete.length - 1  # the last agent dies half-way
    legal = discrete.legal_actions
    forbidden = int(np.flatnonzero(~legal[3, 0])[-1])
    cases = [
        (broken(discrete, "actions", (3, 0), forbidden), "step 3, actions, agent 0: .* mask"),
        (broken(discrete, "actions", (2, 1), 4), "step 2, actions, agent 1: value 4 is out of"),
        (broken(discrete, "actions", (2, 1), -1), "step 2, actions, agent 1: value -1 is out of"),
        (broken(discrete, "actions", (dead, 2), 1), f"step {dead}, actions, agent 2: value 1"),
        (broken(discrete, "agent_mask", (dead, 2), True), f"step {dead}, agent_mask, agent 2"),
        (broken(discrete, "legal_actions", (8, 2, 0), False), "step 8, legal_actions, agent 2"),
    ]
    for episode, message in cases:
        with pytest.raises(LogoError, match=message):
            check_episode(episode, discrete_spec, WHERE)


def test_actions_that_an_agent_does_not_have(
    discrete: Episode, discrete_spec: ScenarioSpec
) -> None:
    narrower = dataclasses.replace(discrete_spec, action_dims=(4, 3, 4))
    legal = np.array(discrete.legal_actions)
    legal[:, 1, 3] = True
    actions = np.array(discrete.actions)
    actions[:, 1] = 1
    with pytest.raises(LogoError, match="step 0, legal_actions, agent 1, action 3"):
        check_episode(
            dataclasses.replace(discrete, legal_actions=legal, actions=actions), narrower, WHERE
        )
    actions[4, 1] = 3
    with pytest.raises(LogoError, match="step 4, actions, agent 1: value 3 is out of range"):
        check_episode(dataclasses.replace(discrete, actions=actions), narrower, WHERE)


def test_empty_shapes_and_dtypes(continuous: Episode, continuous_spec: ScenarioSpec) -> None:
    cases = [
        ({"rewards": continuous.rewards[:0]}, "no transition"),
        ({"state": continuous.state[:-1]}, "state has shape"),
        ({"rewards": continuous.rewards[:, None]}, "rewards has shape"),
        ({"rewards": continuous.rewards.astype(np.float64)}, "rewards has dtype float64"),
        ({"agent_mask": continuous.agent_mask.astype(np.int8)}, "agent_mask has dtype int8"),
    ]
    for changed, message in cases:
        with pytest.raises(LogoError, match=f"{WHERE}.*{message}"):
            check_episode(dataclasses.replace(continuous, **changed), continuous_spec, WHERE)
