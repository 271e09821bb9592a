"""Tiny SavedModels, and a server of them on sockets of this process."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from logo_tf import artifacts
from logo_tf.export import saved_model
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.serving.batching_parameters import BatchingParameters
from logo_tf.serving.server import Server, ServerSettings
from logo_tf.specs import ScenarioSpec
from tests.export.conftest import FakePolicy, FakeWorldModel

T = TypeVar("T")


class Times(tf.Module):
    """y = factor x, of rows of three numbers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = tf.Variable(factor)

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "x")])
    def times(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * self.factor}


class Kinds(tf.Module):
    """Signatures of every kind of input."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.int32, "n")])
    def whole(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"n": n + 1}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "s")])
    def text(self, s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"s": tf.identity(s), "s_bytes": tf.identity(s)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.bool, "b")])
    def truth(self, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"b": tf.logical_not(b)}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.float32, "a"),
            tf.TensorSpec((None,), tf.int64, "k"),
        ]
    )
    def pair(self, a: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Named inputs, of which the first may be of any width; a row of k = 13 is refused."""
        fine = tf.Assert(tf.reduce_all(k != 13), ["thirteen"])
        with tf.control_dependencies([fine]):
            return {"total": tf.reduce_sum(a, axis=1), "k": k * 2}

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32, "v")])
    def scalar(self, v: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"v": v + 1.0}

    @tf.function(input_signature=[])
    def nothing(self) -> dict[str, tf.Tensor]:
        return {"one": tf.constant(1)}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``double``, ``triple`` and ``kinds``: SavedModels without a manifest."""
    folder = tmp_path_factory.mktemp("made")
    for name, factor in (("double", 2.0), ("triple", 3.0)):
        module = Times(factor)
        tf.saved_model.save(module, str(folder / name), signatures=module.times)
    kinds = Kinds()
    signatures = {
        "serving_default": kinds.pair,
        "whole": kinds.whole,
        "text": kinds.text,
        "truth": kinds.truth,
        "scalar": kinds.scalar,
        "nothing": kinds.nothing,
    }
    tf.saved_model.save(kinds, str(folder / "kinds"), signatures=signatures)
    return folder


@pytest.fixture(scope="session")
def publish(made: Path) -> Callable[..., Path]:
    """``publish("double", root / "m" / "1")``: a version with a manifest, there by one rename."""

    def put(name: str, path: Path, change: Callable[[Path], None] = lambda _: None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with artifacts.writing(path) as aside:
            shutil.copytree(made / name, aside, dirs_exist_ok=True)
            change(aside)
            artifacts.publish(path, artifacts.Manifest(kind="export", spec={}))
        return path

    return put


class Running:
    """A server on a thread of its own.

    Attributes:
      server: that runs.
      said: its lines.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.said: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        try:
            self.server = Server(settings, self.said.append)
            self.wait(self.server.start())
        except BaseException:
            self._end()
            raise
        scheme = "https" if settings.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.rest_port}"
        self.address = f"localhost:{self.server.grpc_port}"
        self.channel = grpc.insecure_channel(self.address)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def poll(self) -> None:
        self.wait(self.server.repository.poll())

    def start(self, work: Coroutine[Any, Any, T]) -> Any:
        """A future of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        self.channel.close()
        self.wait(self.server.stop())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        return requests.post(f"{self.url}/v1/models/{path}", data=body, timeout=30, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.url}/v1/models/{path}", timeout=30, **more)

    def states(self, name: str) -> dict[str, str]:
        """Version -> state."""
        found = self.get(name).json()["model_version_status"]
        return {one["version"]: one["state"] for one in found}

    def ask(self, name: str, inputs: dict[str, Any], signature: str = "", **more: Any) -> Any:
        """Predict by gRPC."""
        return self.predictions.Predict(asked(name, inputs, signature, **more), timeout=30)


def asked(name: str, inputs: dict[str, Any], signature: str = "", **more: Any) -> Any:
    request = predict_pb2.PredictRequest(**more)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


@pytest.fixture(scope="session")
def predict_request() -> Callable[..., Any]:
    """Makes a ``PredictRequest`` of a name, inputs and a signature."""
    return asked


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(**settings: Any) -> Running:
        # Tests say themselves when to look at the disk.
        settings = {"models": folder, "poll_seconds": 3600.0, "grace_seconds": 5.0} | settings
        started.append(Running(ServerSettings(rest_port=0, grpc_port=0, **settings)))
        return started[-1]

    yield run
    for one in started:
        if not one._loop.is_closed():
            one.stop()


@pytest.fixture
def run_server(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """``run_server(models=...)``: servers on any free ports, stopped in the end."""
    with servers(tmp_path) as run:
        yield run


@pytest.fixture(scope="module")
def run_shared_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Running]]:
    """As ``run_server``, of servers for all tests of a file."""
    with servers(tmp_path_factory.mktemp("models")) as run:
        yield run


@pytest.fixture(scope="session")
def shared(
    publish: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One server of ``times`` (versions 1 and 2, label ``stable`` for 1) and ``kinds``."""
    root = tmp_path_factory.mktemp("models")
    publish("double", root / "times" / "1")
    publish("triple", root / "times" / "2")
    publish("kinds", root / "kinds" / "7")
    config = root / "models.config"
    config.write_text(
        """
        model_config_list {
          config {
            name: "times" base_path: "times" model_platform: "tensorflow"
            model_version_policy { all {} }
            version_labels { key: "stable" value: 1 }
          }
          config { name: "kinds" base_path: "kinds" model_platform: "tensorflow" }
        }
        """,
        encoding="utf-8",
    )
    settings = ServerSettings(
        models=root,
        config=config,
        rest_port=0,
        grpc_port=0,
        poll_seconds=3600.0,
        batching=BatchingParameters(max_batch_size=64, num_batch_threads=2),
    )
    running = Running(settings)
    yield running
    running.stop()


class Remembering(FakePolicy):
    """Choices by scores that grow with what was seen at first; explores by noise on them."""

    memory_dim = 2

    def __init__(self, spec: ScenarioSpec) -> None:
        super().__init__(spec)
        self._scores = [super(Remembering, self).agent_function(i) for i in range(spec.num_agents)]

    def agent_function(self, index: int) -> Callable[..., tuple[tf.Tensor, Any]]:
        scores = self._scores[index]

        def act(observations: Any, memory: Any) -> tuple[tf.Tensor, Any]:
            outputs, _ = scores(observations, memory)
            after = 0.5 * memory + tf.tanh(observations[:, : self.memory_dim])
            return outputs * memory[:, :1] + outputs[:, ::-1], after

        return act

    def exploring(self, exploration: tf.Tensor) -> GraphPolicy:
        agents = [self.agent_function(i) for i in range(self.spec.num_agents)]

        def act(observations: Any, legal: Any, memory: Any, seed: Any) -> tuple[Any, Any]:
            each = [agent(observations[:, i], memory[:, i]) for i, agent in enumerate(agents)]
            scores, after = (tf.stack(parts, axis=1) for parts in zip(*each, strict=True))
            scores += 10.0 * exploration * tf.random.stateless_normal(tf.shape(scores), seed)
            actions = tf.argmax(tf.where(legal, scores, -1e9), axis=-1, output_type=tf.int32)
            return actions, after

        return GraphPolicy(act, self.memory_dim)

    def act_on(
        self, observations: Any, legal_actions: Any, memory: Any, rng: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        legal = tf.constant(legal_actions, tf.bool)
        unseeded = tf.zeros(2, tf.int32)
        actions, after = self.exploring(0.0).act(observations, legal, memory, unseeded)
        return actions.numpy(), after.numpy()


class Team(NamedTuple):
    """A server, the folder that it serves, and the originals by the models' names."""

    running: Running
    models: Path
    originals: dict[str, Any]


@pytest.fixture(scope="session")
def team(
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Team]:
    """World models ``plain`` (vectors) and ``remembering`` (choices), exported with ``player``.

    ``player`` is a policy with a memory, ``vectors`` one without.
    """
    originals = {
        "plain": FakeWorldModel(continuous_spec),
        "remembering": FakeWorldModel(discrete_spec, memory_dim=5),
        "vectors": FakePolicy(continuous_spec),
        "player": Remembering(discrete_spec),
    }
    models = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_BATCHES", (1,))  # parity has tests of its own
        for name in ("plain", "remembering"):
            original = originals[name]
            parent = artifacts.Manifest(kind="world_model", spec=original.spec.to_dict())
            player = originals["player"] if name == "remembering" else None
            saved_model.write_world_model(original, parent, name, models, policy=player)
        for name in ("vectors", "player"):
            saved_model.write_policy(originals[name], originals[name].manifest, name, models)
    running = Running(
        ServerSettings(
            models=models,
            rest_port=0,
            grpc_port=0,
            poll_seconds=3600.0,
            batching=BatchingParameters(max_batch_size=8, num_batch_threads=2),
        )
    )
    yield Team(running, models, originals)
    running.stop()
