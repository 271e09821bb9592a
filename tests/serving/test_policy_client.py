"""A policy over the wire, against the one that was exported and a team on a device."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from logo_tf.edge import Team
from logo_tf.errors import LogoError
from logo_tf.export.golden import golden_inputs
from logo_tf.serving import Client, PolicyClient


@pytest.fixture(params=["rest", "grpc"])
def make(request: pytest.FixtureRequest, team: Any) -> Any:
    """``make("player")``: a client of that policy, over either transport."""
    running = team.running
    address = running.url if request.param == "rest" else f"grpc://{running.address}"
    with Client(address) as client:
        yield lambda name: PolicyClient(client, name)


@pytest.mark.parametrize("name", ["reset", "act", "step"])
def test_it_is_called_as_a_team_on_a_device_is(name: str) -> None:
    there, here = (inspect.signature(getattr(one, name)) for one in (Team, PolicyClient))
    assert here == there


def test_vectors_are_the_policys(make: Callable[[str], PolicyClient], team: Any) -> None:
    policy, client = team.originals["vectors"], make("vectors")
    assert (client.discrete, client.memory_dim, client.spec) == (False, 0, policy.spec)
    golden = golden_inputs(policy.spec, 1, seed=1)
    wanted, _ = policy.act_on(golden.observations, golden.legal_actions, golden.memory, None)
    ragged = [golden.observations[0, 0], golden.observations[0, 1, :3].tolist()]
    padded = np.pad(golden.observations[0], [(0, 0), (0, 2)], constant_values=np.nan)
    padded[1, 3] = 7.0  # beyond what the second agent sees
    for observations in (golden.observations[0], ragged, padded):
        actions = client.act(observations)
        np.testing.assert_allclose(actions, wanted[0], atol=1e-5)
        assert actions.dtype == np.float32
    assert actions[1, 1] == 0.0


def test_a_memory_goes_along_an_episode(make: Callable[[str], PolicyClient], team: Any) -> None:
    policy, client = team.originals["player"], make("player")
    episodes = []
    for _ in range(2):
        client.reset()
        memory, episode = np.zeros((1, 3, 2), np.float32), []
        for t in range(4):
            golden = golden_inputs(policy.spec, 1, seed=t)
            legal = golden.legal_actions > 0.5
            wanted, memory = policy.act_on(golden.observations, legal, memory, None)
            actions = client.act(golden.observations[0], legal[0])
            np.testing.assert_array_equal(actions, wanted[0])
            np.testing.assert_allclose(client.memory, memory[0], atol=1e-5)
            assert actions.dtype == np.int32
            episode.append(actions)
        episodes.append(episode)
    np.testing.assert_array_equal(*episodes)
    again, after = client.step(golden.observations[0], legal[0], np.zeros((3, 2)))
    assert not np.allclose(after, client.memory)
    free = client.act(golden.observations[0])
    wanted, _ = policy.act_on(golden.observations, np.ones_like(legal), memory, None)
    np.testing.assert_array_equal(free, wanted[0])
    assert again.shape == free.shape == (3,)


@pytest.mark.parametrize(
    ("name", "observations", "legal", "message"),
    [
        ("vectors", np.zeros((3, 4)), None, "observations: 3 rows, but the team has 2 agents"),
        ("vectors", np.zeros((2, 3)), None, r"a: observations has shape \(3,\), expected \(4,\)"),
        ("vectors", [[0, 0, 0, 0], "no"], None, "b: observations are no row of numbers"),
        ("vectors", [[0, 0, 0, 0], 1.0], None, "b: observations are no row of numbers"),
        ("vectors", np.full((2, 4), np.inf), None, "observations holds a number that is not fin"),
        ("player", np.zeros((3, 4)), np.ones((2, 4)), "legal: 2 rows, but the team has 3 agents"),
        ("player", np.zeros((3, 4)), np.eye(3, 4, 1) * [1, 0, 1, 1], "a: no action is legal"),
        ("player", np.zeros((3, 4)), np.ones((3, 3)), r"a: legal has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_not_sent(
    name: str, observations: Any, legal: Any, message: str, team: Any
) -> None:
    with Client(f"grpc://{team.running.address}") as client:
        policy = PolicyClient(client, name)
        policy.memory += 0.5
        before = policy.memory.copy()
        client.predict = None  # type: ignore[method-assign, assignment]
        with pytest.raises(LogoError, match=f"^{name}: {message}"):
            policy.act(observations, legal)
        np.testing.assert_array_equal(policy.memory, before)


def test_a_memory_of_another_size_is_not_sent(make: Callable[[str], PolicyClient]) -> None:
    with pytest.raises(LogoError, match=r"player: memory has shape \(1, 3, 9\)"):
        make("player").step(np.zeros((3, 4)), None, np.zeros((3, 9)))
