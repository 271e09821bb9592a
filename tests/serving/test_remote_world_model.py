"""A served world model in rollouts and planners, against the local one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.planner import TeamPlanner
from logo_tf.agents.team_value import NO_VALUE
from logo_tf.data.transitions import Transitions
from logo_tf.errors import LogoError
from logo_tf.export.golden import golden_inputs
from logo_tf.export.signatures import agent_mask, prediction_tensors
from logo_tf.imagination.rollout import GraphPolicy, make_imagine, make_remember
from logo_tf.scenarios.protocol import Frame
from logo_tf.serving import Client, ClientConfig, Code, PolicyClient, RemoteWorldModel, ServingError
from logo_tf.serving import client as client_module
from logo_tf.serving.servable import Signature

NAMES = ["plain", "remembering"]
SEED = tf.constant([3, 4])


@pytest.fixture
def client(team: Any) -> Iterator[Client]:
    with Client(f"grpc://{team.running.address}") as made:
        yield made


@pytest.fixture
def op_by_op(team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asks the originals eagerly.

    It shares this process, whose TensorFlow may have one thread for graphs, and the graph that
    waits for an answer holds it.
    """
    graph = Signature.call

    def call(signature: Signature, inputs: Any) -> dict[str, np.ndarray]:
        if "actions" not in inputs or signature.name == "imagine":
            return graph(signature, inputs)
        choices = inputs["actions"].dtype == np.int32
        model = team.originals["remembering" if choices else "plain"]
        given = {name: tf.constant(value) for name, value in inputs.items()}
        alive = agent_mask(given["observations"], model.spec)
        here = (given["state"], given["observations"], given["actions"], alive)
        if signature.name == "observe":
            return {"next_memory": model.observe(*here, given["memory"]).numpy()}
        predicted = model.step(*here, given.get("memory"))
        named = prediction_tensors(predicted, model.spec, None)
        if "memory" in inputs:
            named["next_memory"] = predicted.memory
        return {name: value.numpy() for name, value in named.items()}

    monkeypatch.setattr(Signature, "call", call)


def transitions(model: Any, batch: int, seed: int = 1) -> Transitions:
    """Rows before their action; what follows it is not used."""
    golden = golden_inputs(model.spec, batch, seed)
    legal, none = golden.legal_actions > 0.5, np.zeros(batch, np.float32)
    given = (golden.observations, golden.state, golden.actions, none, golden.observations,
             golden.state, none, legal, legal, golden.agent_mask, golden.agent_mask)  # fmt: skip
    return Transitions(*map(tf.constant, given))


def mover(spec: Any) -> GraphPolicy:
    """Vectors that turn with the observations."""

    def act(observations: Any, legal: Any, memory: Any, seed: Any) -> tuple[Any, Any]:
        del legal, seed
        return tf.sin(3.0 * observations[..., : spec.action_dim]) * spec.action_mask, memory

    return GraphPolicy(act)


def close(actual: Any, wanted: Any) -> None:
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(
            tf.cast(a, tf.float32), tf.cast(b, tf.float32), rtol=1e-5, atol=1e-5
        ),
        actual,
        wanted,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_the_models(name: str, client: Client, team: Any) -> None:
    model, remote = team.originals[name], RemoteWorldModel(client, name, most_rows=8)
    now = golden_inputs(model.spec, 11, seed=2, memory_dim=model.memory_dim)
    here = [tf.constant(x) for x in (now.state, now.observations, now.actions, now.agent_mask)]
    assert remote.spec == model.spec
    assert (remote.memory_dim, remote.routes) == (model.memory_dim, model.routes)
    close(remote.step(*here), model.step(*here))
    wanted = model.step(*here, tf.constant(now.memory))
    close(remote.step(*here, tf.constant(now.memory)), wanted)
    seen = remote.observe(*here, tf.constant(now.memory))
    close(seen, model.observe(*here, now.memory))


@pytest.mark.usefixtures("op_by_op")
def test_a_graph_knows_the_shapes_of_what_will_come(client: Client, team: Any) -> None:
    model, remote = team.originals["remembering"], RemoteWorldModel(client, "remembering")
    now = golden_inputs(model.spec, 3, seed=2, memory_dim=model.memory_dim)
    here = [
        tf.constant(x)
        for x in (now.state, now.observations, now.actions, now.agent_mask, now.memory)
    ]
    free = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in here]
    traced = tf.function(remote.step, autograph=False).get_concrete_function(*free)
    wanted = model.step(*here)
    close(traced(*here), wanted)
    for field, local in zip(traced.structured_outputs, wanted, strict=True):
        assert field.shape.as_list() == [None, *local.shape[1:]]


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_in_it_is_one_in_the_model(name: str, client: Client, team: Any) -> None:
    model, remote = team.originals[name], RemoteWorldModel(client, name, most_rows=8)
    policy = mover(model.spec)
    if model.memory_dim:
        policy = team.originals["player"].exploring(0.1)
    before = tf.nest.map_structure(
        lambda *steps: tf.stack(steps, axis=1), *(transitions(model, 5, seed) for seed in (7, 8))
    )
    inside = tf.constant([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    start, found = transitions(model, 5), []
    for simulator in (model, remote):
        memories = make_remember(simulator, policy)(before, inside)
        rollout = make_imagine(simulator, policy, 6)(start, SEED, memories)
        found.append((memories, rollout))
    close(found[1], found[0])
    assert found[1][1].valid.shape == (6, 5)


@pytest.mark.usefixtures("op_by_op")
def test_a_plan_in_it_is_one_in_the_model(client: Client, team: Any) -> None:
    model, remote = team.originals["remembering"], RemoteWorldModel(client, "remembering", None,
                                                                   None, 8)  # fmt: skip
    config = PlannerConfig(horizon=3, candidates=6, elites=2, rounds=2)
    now = golden_inputs(model.spec, 2, seed=5)
    nobody = np.zeros(2, np.float32)
    frames = Frame(now.observations, now.state, now.legal_actions > 0.5, now.agent_mask > 0.5,
                   nobody, nobody > 0, nobody > 0)  # fmt: skip
    memory = np.random.default_rng(1).uniform(-1, 1, (2, 3, 7)).astype(np.float32)
    policy, found = team.originals["player"].exploring(0.0), []
    for simulator in (model, remote):
        planner = TeamPlanner(simulator, policy, NO_VALUE, config, 0.9, 1.0)
        found.append(planner.plan(frames, memory, np.array([[1, 2], [3, 4]], np.int32)))
    close(found[1], found[0])
    (plan, after), (_, wanted) = found[1], found[0]
    assert plan.actions.shape == (2, 3, 3)
    assert after.shape == wanted.shape == (2, 3, 7)


@pytest.mark.usefixtures("op_by_op")
def test_a_server_that_goes_in_mid_episode(
    run_server: Callable[..., Any], team: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_PAUSE", 0.001)
    for name in ("remembering", "player"):
        shutil.copytree(team.models / name, tmp_path / name)
    running = run_server()
    model = team.originals["remembering"]
    start, now = transitions(model, 2), golden_inputs(model.spec, 1, seed=1)
    with Client(f"grpc://{running.address}", ClientConfig(timeout=5.0)) as client:
        policy, remote = PolicyClient(client, "player"), RemoteWorldModel(client, "remembering")
        imagine = make_imagine(remote, team.originals["player"].exploring(0.0), 2)
        policy.act(now.observations[0], now.legal_actions[0])
        before = policy.memory.copy()
        with remote.errors():
            imagine(start, SEED)
        running.stop()
        with pytest.raises(ServingError) as caught:
            policy.act(now.observations[0], now.legal_actions[0])
        assert caught.value.code is Code.UNAVAILABLE
        np.testing.assert_array_equal(policy.memory, before)
        with pytest.raises(ServingError) as caught, remote.errors():
            imagine(start, SEED)
        assert caught.value.code is Code.UNAVAILABLE
        # Without the context it is TensorFlow's own error, which quotes ours.
        with pytest.raises(tf.errors.UnknownError, match="ServingError"):
            imagine(start, SEED)
        with pytest.raises(ServingError):
            remote.step(start.state, start.observations, start.actions, start.agent_mask)


def test_what_is_wrong_in_a_graph_is_said_as_outside_of_it(client: Client) -> None:
    remote = RemoteWorldModel(client, "remembering")
    state, observations = tf.zeros((1, 6)), tf.zeros((1, 3, 4))
    alive, actions = tf.ones((1, 3)), tf.constant([[0, 1, 9]])
    message = "remembering: actions of c must be whole numbers from 0 to 3"
    with pytest.raises(LogoError, match=message):
        remote.step(state, observations, actions, alive)
    traced = tf.function(remote.step, autograph=False)
    with pytest.raises(LogoError, match=message), remote.errors():
        traced(state, observations, actions, alive)
    # What is no request's fault is left as it is.
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"), remote.errors():
        tf.debugging.Assert(tf.constant(False), ["mine"])


def test_it_is_no_model_to_train(client: Client) -> None:
    """It lacks what it cannot do, so that it fails where it is handed in, and with its name."""
    remote = RemoteWorldModel(client, "plain")
    for absent in ("losses", "select", "trainable_variables", "members", "calibration"):
        assert not hasattr(remote, absent)
