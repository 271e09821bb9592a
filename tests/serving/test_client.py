"""The client, against this server and against ones that stall, lie and die."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.serving import Client, ClientConfig, Code, ServingError
from logo_tf.serving import client as client_module

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_PAUSE", 0.001)


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, shared: Any) -> Iterator[Client]:
    """Of the shared server, over either transport."""
    address = shared.url if request.param == "rest" else f"grpc://{shared.address}"
    with Client(address) as made:
        yield made


def failed(ask: Callable[[], Any]) -> ServingError:
    with pytest.raises(ServingError) as caught:
        ask()
    return caught.value


def test_numpy_goes_in_and_comes_out(client: Client) -> None:
    for given in (ROWS, ROWS.astype(np.float64), ROWS.astype(np.int64), ROWS.tolist()):
        answer = client.predict("times", {"x": given})
        assert list(answer) == ["y"]
        np.testing.assert_array_equal(answer["y"], 3 * ROWS)
        assert answer["y"].dtype == np.float32
    np.testing.assert_array_equal(client.predict("times", {"x": ROWS}, version=1)["y"], 2 * ROWS)
    stable = client.predict("times", {"x": ROWS}, label="stable")
    np.testing.assert_array_equal(stable["y"], 2 * ROWS)
    assert client.states("times") == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_every_kind_of_tensor_survives(client: Client) -> None:
    a, k = np.array([[1.5, np.inf], [-2.0, 0.25]], np.float32), np.array([2**40, -1])
    answer = client.predict("kinds", {"a": a, "k": k})
    np.testing.assert_array_equal(answer["total"], a.sum(axis=1))
    np.testing.assert_array_equal(answer["k"], 2 * k)
    assert (answer["total"].dtype, answer["k"].dtype) == (np.float32, np.int64)
    nan = client.predict("kinds", {"a": [[np.nan]], "k": [1]})
    assert np.isnan(nan["total"]).all()
    truth = client.predict("kinds", {"b": [True, False]}, "truth")
    np.testing.assert_array_equal(truth["b"], [False, True])
    assert client.predict("kinds", {"v": 2.5}, "scalar")["v"] == np.float32(3.5)
    whole = client.predict("kinds", {"n": np.array([[1, 2]])}, "whole")
    assert whole["n"].dtype == np.int32


def test_over_grpc_no_rows_are_rows_too(shared: Any) -> None:
    """JSON has no shape to say so with."""
    with Client(f"grpc://{shared.address}") as one:
        answer = one.predict("times", {"x": np.zeros((0, 3), np.float32)})
        assert answer["y"].shape == (0, 3)
        assert one.predict("kinds", {}, "nothing")["one"] == 1


@pytest.mark.parametrize(
    ("ask", "code", "message"),
    [
        (lambda c: c.predict("nobody", {"x": ROWS}), Code.NOT_FOUND, "Servable not found"),
        (lambda c: c.predict("times", {"x": ROWS}, version=9), Code.NOT_FOUND, "Specific(times"),
        (lambda c: c.predict("times", {"x": ROWS}, label="z"), Code.INVALID_ARGUMENT, "label: z"),
        (lambda c: c.predict("times", {"z": ROWS}), Code.INVALID_ARGUMENT, "x"),
        (lambda c: c.predict("times", {"x": [1.0, 2.0]}), Code.INVALID_ARGUMENT, "x"),
        (lambda c: c.predict("times", {"x": ROWS}, "z"), Code.INVALID_ARGUMENT, "not found"),
        (lambda c: c.predict("kinds", {"n": [[1, 2.5]]}, "whole"), Code.INVALID_ARGUMENT, ""),
        (lambda c: c.predict("kinds", {"n": [[1, 2**40]]}, "whole"), Code.INVALID_ARGUMENT, ""),
        (lambda c: c.predict("kinds", {"a": [[1.0]], "k": [13]}), Code.INVALID_ARGUMENT, "thir"),
        (lambda c: c.states("nobody"), Code.NOT_FOUND, "Could not find any versions of model"),
        (lambda c: c.predict("../x", {"x": ROWS}), Code.NOT_FOUND, ""),
    ],
)
def test_refusals_are_typed_and_not_asked_again(
    ask: Callable[[Client], Any], code: Code, message: str, client: Client
) -> None:
    begun = []
    for name in ("predict", "states"):
        honest = getattr(client._transport, name)
        counted = lambda *a, honest=honest: (begun.append(1), honest(*a))[1]  # noqa: E731
        setattr(client._transport, name, counted)
    error = failed(lambda: ask(client))
    assert error.code is code
    assert message in error.message
    assert len(begun) == 1


def test_a_token_is_brought(run_server: Any, publish: Any, tmp_path: Path) -> None:
    from logo_tf.serving.access import Token

    publish("double", tmp_path / "times" / "1")
    running = run_server(token=Token("secret"))
    for address in (running.url, f"grpc://{running.address}"):
        with Client(address) as stranger:
            error = failed(lambda: stranger.predict("times", {"x": ROWS}))
            assert error.code is Code.UNAUTHENTICATED
        with Client(address, ClientConfig(token="secret")) as friend:
            np.testing.assert_array_equal(friend.predict("times", {"x": ROWS})["y"], 2 * ROWS)


def test_both_transports_are_private(run_server: Any, publish: Any, tmp_path: Path) -> None:
    from logo_tf.serving.access import Tls

    publish("double", tmp_path / "times" / "1")
    folder = Path(__file__).parent / "certificate"
    tls = Tls(folder / "certificate.pem", folder / "key.pem")
    running = run_server(tls=tls)
    trusting = ClientConfig(certificate=tls.certificate, tries=1)
    rest = running.url.replace("127.0.0.1", "localhost")
    for address in (rest, f"grpcs://{running.address}"):
        with Client(address, trusting) as friend:
            np.testing.assert_array_equal(friend.predict("times", {"x": ROWS})["y"], 2 * ROWS)
    with Client(rest, ClientConfig(tries=1)) as stranger:
        error = failed(lambda: stranger.predict("times", {"x": ROWS}))
        assert error.code is Code.UNAUTHENTICATED


class Odd:
    """An HTTP server that answers what it is told to, and counts what it was asked."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                answer(self)

            def do_GET(self) -> None:
                if self.path.endswith("/metadata"):
                    say(self, METADATA)
                else:
                    self.do_POST_less()

            def do_POST_less(self) -> None:
                outer.asked += 1
                answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def tensor(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "tensor_shape": {"dim": []}, "name": "t"}


METADATA = json.dumps(
    {
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {"x": tensor("DT_FLOAT")},
                        "outputs": {"y": tensor("DT_FLOAT"), "z": tensor("DT_INT32")},
                    }
                }
            }
        }
    }
)


def say(handler: BaseHTTPRequestHandler, text: str, status: int = 200, length: int = 0) -> None:
    body = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(length or len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def stall(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Each byte comes well within the timeout, all of them never."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(15):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    ("answer", "code", "asked"),
    [
        (stall, Code.DEADLINE_EXCEEDED, 3),
        (drip, Code.DEADLINE_EXCEEDED, 3),
        (hang_up, Code.UNAVAILABLE, 3),
        (lambda h: say(h, "{", length=100), Code.UNAVAILABLE, 3),
        (lambda h: say(h, '{"error": "busy"}', 503), Code.UNAVAILABLE, 3),
        (lambda h: say(h, '{"error": "slow"}', 504), Code.DEADLINE_EXCEEDED, 3),
        (lambda h: say(h, "<html>bad gateway", 502), Code.UNAVAILABLE, 3),
        (lambda h: say(h, '{"error": "no"}', 400), Code.INVALID_ARGUMENT, 1),
        (lambda h: say(h, '{"error": "who"}', 401), Code.UNAUTHENTICATED, 1),
        (lambda h: say(h, '{"error": "you"}', 403), Code.PERMISSION_DENIED, 1),
        (lambda h: say(h, '{"error": "many"}', 429), Code.RESOURCE_EXHAUSTED, 1),
        (lambda h: say(h, "oops", 500), Code.INTERNAL, 1),
        (lambda h: say(h, "", 302), Code.UNKNOWN, 1),
        (lambda h: say(h, "not JSON"), Code.DATA_LOSS, 1),
        (lambda h: say(h, "[" * 100_000), Code.DATA_LOSS, 1),
        (lambda h: say(h, "[1]"), Code.DATA_LOSS, 1),
        (lambda h: say(h, '{"predictions": [1]}'), Code.DATA_LOSS, 1),
        (lambda h: say(h, '{"outputs": {"y": [1.0]}}'), Code.DATA_LOSS, 1),
        (lambda h: say(h, '{"outputs": {"y": "one", "z": 1}}'), Code.DATA_LOSS, 1),
        (lambda h: say(h, '{"outputs": {"y": [[1], [1, 2]], "z": 1}}'), Code.DATA_LOSS, 1),
        (lambda h: say(h, '{"outputs": {"y": {"b64": 1}, "z": 1}}'), Code.DATA_LOSS, 1),
        (lambda h: say(h, " " * 3000 + "{}"), Code.DATA_LOSS, 1),
    ],
)
def test_servers_that_stall_lie_and_die(
    answer: Callable[[BaseHTTPRequestHandler], None], code: Code, asked: int
) -> None:
    odd = Odd(answer)
    try:
        config = ClientConfig(timeout=0.4, largest=2000)
        with Client(odd.url, config) as one:
            begun = time.monotonic()
            error = failed(lambda: one.predict("m", {"x": [1.0]}))
            assert error.code is code, error
            assert odd.asked == asked
            assert time.monotonic() - begun < 5  # far from for ever
    finally:
        odd.stop()


def test_what_fails_once_is_asked_again() -> None:
    answers = iter(
        [
            lambda h: say(h, '{"error": "busy"}', 503),
            hang_up,
            lambda h: say(h, '{"outputs": {"y": [0.1], "z": 7}}'),
        ]
    )
    odd = Odd(lambda handler: next(answers)(handler))
    try:
        with Client(odd.url) as one:
            answer = one.predict("m", {"x": [1.0]})
        assert odd.asked == 3
        np.testing.assert_array_equal(answer["y"], np.array([0.1], np.float32))
        assert answer["z"].dtype == np.int32
    finally:
        odd.stop()


def test_nobody_there_is_unavailable() -> None:
    odd = Odd(stall)
    odd.stop()
    for address in (odd.url, odd.url.replace("http", "grpc")):
        with Client(address, ClientConfig(timeout=2.0, tries=2)) as one:
            assert failed(lambda: one.states("m")).code is Code.UNAVAILABLE


def test_a_grpc_server_that_stalls_is_left() -> None:
    asked = []

    class Stalls(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            def wait(request: bytes, context: Any) -> bytes:
                asked.append(details.method)
                time.sleep(0.6)
                return b""

            return grpc.unary_unary_rpc_method_handler(wait)

    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Stalls(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"grpc://127.0.0.1:{port}", ClientConfig(timeout=0.2)) as one:
            assert failed(lambda: one.states("m")).code is Code.DEADLINE_EXCEEDED
        assert asked == ["/tensorflow.serving.ModelService/GetModelStatus"] * 3
    finally:
        server.stop(0)


@pytest.mark.parametrize(
    "address", ["localhost:8501", "ftp://x", "http://", "http://x/v1/models", "grpc:///x"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(LogoError, match="not the address of a server"):
        Client(address)


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="timeout must be above 0"):
        ClientConfig(timeout=0)
    with pytest.raises(LogoError, match="tries must be at least 1"):
        ClientConfig(tries=0)
    with pytest.raises(LogoError, match="there is no such certificate"):
        Client("https://x", ClientConfig(certificate=tmp_path / "no.pem"))
