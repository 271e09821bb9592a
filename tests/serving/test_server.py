"""The server as a whole: limits, access, figures, load, and its end."""

from __future__ import annotations

import gzip
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from logo_tf.errors import LogoError
from logo_tf.serving.access import Tls, Token
from logo_tf.serving.batching_parameters import BatchingParameters
from logo_tf.serving.server import Server, ServerSettings
from logo_tf.serving.tensors import LARGEST

CERTIFICATE = Path(__file__).parent / "certificate" / "certificate.pem"
KEY = CERTIFICATE.with_name("key.pem")
ROW = '{"instances": [[1, 1, 1]]}'
X = {"x": np.ones((1, 3), np.float32)}


def test_bodies_travel_packed(shared: Any) -> None:
    packed = gzip.compress(json.dumps({"instances": [[1, 2, 3]] * 60}).encode())
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    response = shared.post("times:predict", packed, headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.json()["predictions"] == [[3.0, 6.0, 9.0]] * 60
    small = shared.post("times:predict", ROW, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    plain = shared.get("times", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    response = shared.post("times:predict", b"no gzip", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert "error" in response.json()


def test_what_is_too_large_is_refused_before_and_after_it_is_unpacked(shared: Any) -> None:
    message = f"the body is larger than {LARGEST} bytes"
    with socket.create_connection(("127.0.0.1", shared.server.rest_port), timeout=30) as line:
        head = "POST /v1/models/times:predict HTTP/1.1\r\nHost: x\r\nContent-Length: "
        line.sendall(f"{head}{LARGEST + 1}\r\n\r\n".encode())
        answer = line.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert message in answer
    bomb = gzip.compress(b" " * (LARGEST + 2), compresslevel=1)
    assert len(bomb) < 2**20
    response = shared.post("times:predict", bomb, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]) == (413, message)


def test_grpc_takes_more_than_its_own_limit_of_4_mib(shared: Any) -> None:
    x = {"a": np.ones((1, 2**21), np.float32), "k": np.zeros(1, np.int64)}
    assert shared.ask("kinds", x).outputs["total"].ByteSize() > 0


def _random_body(rng: random.Random) -> bytes:
    """A request with a few things wrong."""
    leaves: list[Any] = [1, -1.5, 10**20, 1e300, "x", None, True, float("nan"), {}, [], {"b64": ""}]

    def value(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(leaves)
        if rng.random() < 0.8:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        names = rng.sample(["x", "a", "k", "b64"], rng.randrange(4))
        return {name: value(depth - 1) for name in names}

    keys = rng.sample(["instances", "inputs", "signature_name"], rng.randrange(1, 3))
    names = ["serving_default", "whole", "text", "truth", "scalar"]
    request = {k: rng.choice(names) if k == "signature_name" else value(4) for k in keys}
    body = bytearray(json.dumps(request).encode())
    for _ in range(rng.choice([0, 0, 1, 3])):
        body[rng.randrange(len(body))] = rng.choice(b'[]{},:"\\0e\xff\x00')
    return bytes(body)


def test_random_bodies_never_break_it(shared: Any) -> None:
    rng = random.Random(6)
    found = set()
    with requests.Session() as session:
        for _ in range(300):
            model = rng.choice(["times", "kinds"])
            url = f"{shared.url}/v1/models/{model}:predict"
            response = session.post(url, data=_random_body(rng), timeout=30)
            assert response.status_code in (200, 400), (response.status_code, response.text)
            assert response.status_code == 200 or response.json()["error"]
            found.add(response.status_code)
    assert found == {200, 400}


@pytest.fixture(scope="module")
def private(
    publish: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> ServerSettings:
    root = tmp_path_factory.mktemp("private")
    publish("double", root / "m" / "1")
    tls = Tls(CERTIFICATE, KEY)
    return ServerSettings(root, rest_port=0, grpc_port=0, tls=tls, token=Token("secret"))


def test_tls_and_a_token_guard_both_transports(
    run_server: Callable[..., Any], private: ServerSettings, predict_request: Callable[..., Any]
) -> None:
    server = run_server(models=private.models, tls=private.tls, token=private.token)
    url = f"{server.url}/v1/models/m:predict".replace("127.0.0.1", "localhost")
    for header, status in ((None, 401), ("Bearer wrong", 401), ("Bearer secret", 200)):
        headers = {"Authorization": header} if header else {}
        answer = requests.post(url, ROW, headers=headers, verify=str(CERTIFICATE), timeout=30)
        assert answer.status_code == status
        if status == 401:
            assert answer.json() == {"error": "a bearer token is required"}
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url.replace("https", "http"), timeout=30)
    credentials = grpc.ssl_channel_credentials(CERTIFICATE.read_bytes())
    with grpc.secure_channel(server.address, credentials) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_request("m", X)
        for metadata in ((), (("authorization", "Bearer wrong"),)):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request, metadata=metadata, timeout=30)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        stub.Predict(request, metadata=(("authorization", "Bearer secret"),), timeout=30)
        health = health_pb2_grpc.HealthStub(channel)  # probes bring no token
        health.Check(health_pb2.HealthCheckRequest(), timeout=30)


@pytest.mark.parametrize("secret", ["", "two words", "é"])
def test_tokens_that_no_header_can_hold(secret: str) -> None:
    with pytest.raises(LogoError, match="must be printable ASCII"):
        Token(secret)


def test_what_cannot_be_served(tmp_path: Path) -> None:
    def server(**settings: Any) -> Server:
        return Server(ServerSettings(**settings), print)

    with pytest.raises(LogoError, match="nowhere: no such folder; export a model"):
        server(models=tmp_path / "nowhere")
    with pytest.raises(LogoError, match=r"certificate.pem, .*: not a certificate and its key"):
        server(models=tmp_path, tls=Tls(CERTIFICATE, CERTIFICATE))
    with pytest.raises(LogoError, match=r"x\.config: cannot be read"):
        server(models=tmp_path, config=tmp_path / "x.config")
    (tmp_path / "x.config").write_text("model_config_list {\n  nonsense: 1\n}", encoding="utf-8")
    with pytest.raises(LogoError, match=r"x\.config: line 2: not a ModelServerConfig"):
        server(models=tmp_path, config=tmp_path / "x.config")


@pytest.mark.parametrize("option", ["rest_port", "grpc_port"])
def test_a_port_that_is_taken(
    run_server: Callable[..., Any], shared: Any, tmp_path: Path, option: str
) -> None:
    import asyncio

    taken = {"rest_port": 0, "grpc_port": 0, option: getattr(shared.server, option)}
    server = Server(ServerSettings(tmp_path, **taken), print)
    words = f"cannot listen on .*; another process may, choose another --{option.replace('_', '-')}"
    with pytest.raises(LogoError, match=words):
        asyncio.run(server.start())


def test_health_of_both_services(shared: Any) -> None:
    stub = health_pb2_grpc.HealthStub(shared.channel)
    for name in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_figures(run_server: Callable[..., Any], private: ServerSettings) -> None:
    server = run_server(models=private.models)
    for _ in range(3):
        server.post("m:predict", ROW)
    server.post("m:predict", "{}")
    server.post("made_up:predict", ROW)
    server.ask("m", X)
    text = requests.get(f"{server.url}/monitoring/prometheus/metrics", timeout=30).text
    for line in (
        ':tensorflow:serving:request_count{model_name="m",status="OK"} 4.0',
        ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1.0',
        ':tensorflow:serving:request_count{model_name="unknown",status="NOT_FOUND"} 1.0',
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",'
        'model_name="m"} 4.0',
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="GRPC",'
        'model_name="m"} 1.0',
        ':tensorflow:serving:runtime_latency_count{API="Predict",model_name="m",runtime="TF2"} 4.0',
        ':tensorflow:serving:batching_session:processed_batch_size_count{model_name="m"} 4.0',
    ):
        assert f"\n{line}\n" in text


def test_what_was_asked_is_answered_before_the_end(
    run_server: Callable[..., Any], private: ServerSettings, predict_request: Callable[..., Any]
) -> None:
    # A request waits for company for half a second, and meanwhile the server is told to stop.
    waits = BatchingParameters(batch_timeout_micros=500_000)
    server = run_server(models=private.models, batching=waits)
    with ThreadPoolExecutor(2) as pool:
        rest = pool.submit(server.post, "m:predict", ROW)
        grpc_answer = server.predictions.Predict.future(predict_request("m", X), timeout=30)
        repository = server.server.repository
        while repository.versions("m")[0].users < 2:
            time.sleep(0.01)
        server.wait(server.server.stop())
        assert rest.result().json() == {"predictions": [[2.0, 2.0, 2.0]]}
        assert grpc_answer.result().model_spec.version.value == 1
    with pytest.raises(requests.exceptions.ConnectionError):
        server.get("m")
    server.channel.close()
    server._end()


def test_a_swap_under_load_fails_nobody(
    run_server: Callable[..., Any], publish: Callable[..., Path], tmp_path: Path
) -> None:
    """In short; benchmarks/serving.py has it at length."""
    publish("double", tmp_path / "m" / "1")
    server = run_server(poll_seconds=0.05)
    ended, answers = threading.Event(), []

    def ask() -> None:
        with requests.Session() as session:
            while not ended.is_set():
                url = f"{server.url}/v1/models/m:predict"
                body = '{"instances": [[1, 1, 1], [1, 1, 1]]}'
                answers.append(session.post(url, body, timeout=30).json()["predictions"])
                time.sleep(0.02)

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        publish("triple", tmp_path / "m" / "2")
        until = time.monotonic() + 30
        while [[3.0] * 3] * 2 not in answers and time.monotonic() < until:
            time.sleep(0.02)
        ended.set()
        for one in asking:
            one.result()
    assert {json.dumps(rows) for rows in answers} == {
        json.dumps([[factor] * 3] * 2) for factor in (2.0, 3.0)
    }
