"""A world model over the wire, against the one that was exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.export.golden import golden_inputs
from logo_tf.serving import Client, ClientConfig, Code, ServingError, Steps, WorldModelClient
from logo_tf.serving.served import Served

NAMES = ["plain", "remembering"]


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, team: Any) -> Iterator[Client]:
    """Over either transport."""
    running = team.running
    address = running.url if request.param == "rest" else f"grpc://{running.address}"
    with Client(address) as made:
        yield made


def rows(model: Any, batch: int = 3, seed: int = 1) -> Any:
    return golden_inputs(model.spec, batch, seed, memory_dim=model.memory_dim)


def same(steps: Steps, prediction: Any) -> None:
    """Of every field that both have."""
    for name, value in steps._asdict().items():
        if name != "state_error_bound":
            wanted = getattr(prediction, name.removeprefix("next_"))
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_the_models(name: str, client: Client, team: Any) -> None:
    model, served = team.originals[name], WorldModelClient(client, name)
    assert served.spec == model.spec
    assert (served.memory_dim, served.routes) == (model.memory_dim, model.routes)
    now = rows(model)
    here = (now.state, now.observations, now.actions, now.agent_mask)
    steps = served.step(now.observations, now.state, now.actions)
    same(steps, model.step(*here))
    assert steps.legal_actions.shape == (3, model.spec.num_agents, model.spec.legal_dim)
    np.testing.assert_array_equal(steps.state_error_bound, [np.inf] * 3)

    steps, after = served.step_on(now.observations, now.state, now.actions, now.memory)
    wanted = model.step(*here, now.memory)
    same(steps, wanted)
    np.testing.assert_allclose(after, wanted.memory, atol=1e-5)
    if model.memory_dim:
        seen = served.observe(now.observations, now.state, now.actions, now.memory)
        np.testing.assert_allclose(seen, model.observe(*here, now.memory), atol=1e-5)
        assert not np.allclose(seen, now.memory)


@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_is_one_step_after_the_other(name: str, client: Client, team: Any) -> None:
    """20 branches, which the server takes in three portions of at most 8."""
    from logo_tf.export.signatures import agent_mask
    from logo_tf.world_model.protocol import next_agent_mask, next_legal

    model, served = team.originals[name], WorldModelClient(client, name, most_rows=8)
    now = rows(model, 20)
    actions = np.stack([rows(model, 20, seed=t).actions for t in range(3)], axis=1)
    rollout = served.imagine(now.observations, now.state, actions)
    np.testing.assert_array_equal(rollout.actions, actions)
    state, observations, memory, running = now.state, now.observations, now.memory * 0, np.ones(20)
    alive = agent_mask(observations, model.spec)
    for t in range(3):
        step = model.step(state, observations, actions[:, t], alive, memory)
        alive = alive * next_agent_mask(next_legal(step, model.spec), model.spec)
        step = step._replace(observations=step.observations * alive[..., None])
        same(Steps(*(field[:, t] for field in rollout.steps)), step)
        np.testing.assert_array_equal(rollout.running[:, t], running)
        running = running * (step.termination.numpy() <= 0.5)
        state, observations, memory = step.state, step.observations, step.memory
    with pytest.raises(ServingError, match="Task size 20 is larger than maximum"):
        WorldModelClient(client, name).imagine(now.observations, now.state, actions)


def test_a_rollout_under_the_policy_is_seedable(client: Client, team: Any) -> None:
    model, player = team.originals["remembering"], team.originals["player"]
    served, now = WorldModelClient(client, "remembering"), rows(model)
    best = served.imagine_policy(now.observations, now.state, 4, legal_actions=now.legal_actions)
    assert best.actions.shape == (3, 4, model.spec.num_agents)
    first, _ = player.act_on(
        now.observations, now.legal_actions > 0.5, np.zeros((3, 3, 2), np.float32), None
    )
    np.testing.assert_array_equal(best.actions[:, 0], first)
    replayed = served.imagine(now.observations, now.state, best.actions)
    for field, wanted in zip(replayed.steps, best.steps, strict=True):
        np.testing.assert_allclose(field, wanted, rtol=1e-5, atol=1e-5)

    def drawn(seed: int) -> np.ndarray:
        return served.imagine_policy(now.observations, now.state, 4, 0.5, seed).actions

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


@pytest.mark.parametrize(
    ("name", "ask", "message"),
    [
        ("plain", lambda m, o, s, a: m.step(o[:, :1], s, a), r"observations has shape \(2, 1, 4\)"),
        ("plain", lambda m, o, s, a: m.step(o, s[:1], a), r"state has shape \(1, 5\)"),
        ("plain", lambda m, o, s, a: m.step(o, s, a[..., :1]), "A is 1, expected 2"),
        ("plain", lambda m, o, s, a: m.step(o, s, "no"), "actions is no array of numbers"),
        ("plain", lambda m, o, s, a: m.step(o * np.nan, s, a), "observations holds a number that"),
        ("plain", lambda m, o, s, a: m.step(o[:0], s[:0], a[:0]), "needs a row at least"),
        ("plain", lambda m, o, s, a: m.imagine(o, s, a), "actions has shape .* expected 4 axes"),
        ("plain", lambda m, o, s, a: m.imagine(o, s, a[:, None][:, :0]), "1 to 1000, got 0"),
        ("plain", lambda m, o, s, a: m.imagine_policy(o, s, 3), "exported without a policy"),
        ("remembering", lambda m, o, s, a: m.step(o, s, a + 4), "a must be whole numbers from 0 t"),
        ("remembering", lambda m, o, s, a: m.step(o, s, a * 0.5 + 0.1), "must be whole numbers"),
        ("remembering", lambda m, o, s, a: m.step_on(o, s, a, o), "M is 4, expected 5"),
        ("remembering", lambda m, o, s, a: m.imagine_policy(o, s, 0), "1 to 1000, got 0"),
        ("remembering", lambda m, o, s, a: m.imagine_policy(o, s, 1001), "1 to 1000, got 1001"),
        ("remembering", lambda m, o, s, a: m.imagine_policy(o, s, 1.5), "1 to 1000, got 1.5"),
        ("remembering", lambda m, o, s, a: m.imagine_policy(o, s, 1, -0.1), "at least 0, got -0.1"),
        (
            "remembering",
            lambda m, o, s, a: m.imagine_policy(o, s, 1, legal_actions=o[:1]),
            "legal_actions has shape",
        ),
    ],
)
def test_what_does_not_fit_is_not_sent(
    name: str, ask: Callable[..., Any], message: str, team: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(f"grpc://{team.running.address}") as client:
        model = WorldModelClient(client, name)
        monkeypatch.setattr(client, "predict", None)
        now = rows(team.originals[name], 2)
        with pytest.raises(LogoError, match=f"^{name}: .*{message}") as caught:
            ask(model, now.observations, now.state, now.actions)
        assert "\n" not in str(caught.value)


def test_what_is_something_else_is_refused(client: Client, shared: Any) -> None:
    with pytest.raises(LogoError, match="player: is a policy, expected a world model"):
        WorldModelClient(client, "player")
    with pytest.raises(LogoError, match="plain: is a world model, expected a policy"):
        Served(client, "plain", "policy")
    with pytest.raises(LogoError, match="plain: most_rows must be at least 1, got 0"):
        WorldModelClient(client, "plain", most_rows=0)
    for which, code in (({"version": 9}, Code.NOT_FOUND), ({"label": "z"}, Code.INVALID_ARGUMENT)):
        with pytest.raises(ServingError) as caught:
            WorldModelClient(client, "plain", **which)
        assert caught.value.code is code
    with pytest.raises(ServingError, match="Servable not found"):
        WorldModelClient(client, "nobody")
    for address in (shared.url, f"grpc://{shared.address}"):
        with Client(address) as other, pytest.raises(LogoError, match="times: does not say what"):
            WorldModelClient(other, "times")


class Told:
    """A client that answers what it is told to, and notes the rows that it was asked."""

    def __init__(self, about: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.about, self.answer, self.rows = about, answer, []

    def predict(self, model: str, inputs: Any, signature: str, **which: Any) -> dict[str, Any]:
        if signature == "about":
            return {"about": np.array(self.about, object)}
        self.rows.append(len(inputs["state"]))
        return self.answer(inputs)


def test_a_server_that_lies_is_found_out(team: Any) -> None:
    model, now = team.originals["plain"], rows(team.originals["plain"], 2)
    with Client(f"grpc://{team.running.address}") as client:
        about = Served(client, "plain", "world_model").about
        honest = client.predict("plain", {"observations": now.observations, "state": now.state,
                                          "actions": now.actions})  # fmt: skip
    lies = [
        (honest | {"reward": honest["reward"][:1]}, "reward has shape (1,)"),
        ({k: v for k, v in honest.items() if k != "next_state"}, "'next_state' is missing"),
    ]
    for lie, message in lies:
        told = WorldModelClient(Told(about.to_json(), lambda _, lie=lie: lie), "plain")
        with pytest.raises(ServingError) as caught:
            told.step(now.observations, now.state, now.actions)
        assert caught.value.code is Code.DATA_LOSS
        assert message in caught.value.message
    for about_text in ("{", "[]", '{"kind": "world_model"}', '{"kind": 1, "scenario": {}}'):
        with pytest.raises(ServingError, match="does not answer as it should: about"):
            WorldModelClient(Told(about_text, dict), "plain")
    assert model.spec == about.scenario


def test_portions_are_whole_deals_of_an_ensemble(team: Any) -> None:
    """Row i meets member i mod 3, so portions of at most 8 rows have 6."""
    with Client(f"grpc://{team.running.address}") as client:
        about = Served(client, "plain", "world_model").about

        def answer(inputs: dict[str, Any]) -> dict[str, Any]:
            return client.predict("plain", inputs)

        dealt = about.to_json().replace('"routes": 1', '"routes": 3')
        told = Told(dealt, answer)
        served, now = (
            WorldModelClient(told, "plain", most_rows=8),
            rows(team.originals["plain"], 20),
        )
        steps = served.step(now.observations, now.state, now.actions)
        assert told.rows == [6, 6, 6, 2]
        assert served.routes == 3
        whole = team.originals["plain"].step(
            now.state, now.observations, now.actions, now.agent_mask
        )
        same(steps, whole)
        with pytest.raises(LogoError, match="most_rows must be at least 3, got 2"):
            WorldModelClient(told, "plain", most_rows=2)


def test_nobody_there_is_a_serving_error() -> None:
    with Client("grpc://127.0.0.1:9", ClientConfig(timeout=1.0, tries=1)) as client:
        with pytest.raises(ServingError) as caught:
            WorldModelClient(client, "plain")
        assert caught.value.code is Code.UNAVAILABLE
