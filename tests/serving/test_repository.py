"""Versions come, are swapped and go; what must not be loaded is not."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import model_management_pb2, prediction_log_pb2

from logo_tf.export.warmup import FILE
from logo_tf.serving import repository
from logo_tf.serving.status import ServingError
from logo_tf.serving.versions import Spec

Publish = Callable[..., Path]
UNFIT = 'version_labels { key: "a b" value: 1 }'
ROW = '{"instances": [[1, 1, 1]]}'


def factor(server: Any, path: str = "m") -> float:
    """Of the version that answers."""
    response = server.post(f"{path}:predict", ROW)
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0][0]


def failure(server: Any, version: str = "2") -> tuple[str, str, str]:
    """The state of a version, its error's code and message."""
    (found,) = server.get(f"m/versions/{version}").json()["model_version_status"]
    return found["state"], found["status"]["error_code"], found["status"]["error_message"]


def change_graph(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        saved = saved_model_pb2.SavedModel()
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
        change(saved.meta_graphs[0])
        (folder / "saved_model.pb").write_bytes(saved.SerializeToString())

    return apply


def add_read_file(graph: Any) -> None:
    graph.graph_def.node.add(name="secret", op="ReadFile", input=["secret_name"])


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def warm_up(*records: bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / FILE).parent.mkdir()
        with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
            for record in records:
                writer.write(record)

    return apply


def test_a_new_version_takes_over_and_the_old_one_answers_until_then(
    run_server: Callable[..., Any],
    publish: Publish,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("double", tmp_path / "m" / "1")
    (tmp_path / "m" / "3.partial").mkdir()
    (tmp_path / "m" / "notes").mkdir()
    (tmp_path / "no-name" / "1").mkdir(parents=True)
    server = run_server()
    assert server.server.available() == ["m 1"]
    publish("triple", tmp_path / "m" / "2")
    may_load, load = threading.Event(), repository.load

    def slow(*arguments: Any) -> Any:
        assert may_load.wait(30)
        return load(*arguments)

    monkeypatch.setattr(repository, "load", slow)
    polled = server.start(server.server.repository.poll())
    while "2" not in server.states("m"):
        time.sleep(0.01)
    assert server.states("m") == {"1": "AVAILABLE", "2": "LOADING"}
    assert factor(server) == 2.0
    assert server.post("m/versions/2:predict", ROW).status_code == 404
    may_load.set()
    polled.result(30)
    assert server.states("m") == {"1": "END", "2": "AVAILABLE"}
    assert factor(server) == 3.0
    assert server.said == ["m version 1 serves", "m version 2 serves", "m version 1 has ended"]


def test_requests_hold_their_version(
    run_server: Callable[..., Any], publish: Publish, tmp_path: Path
) -> None:
    publish("double", tmp_path / "m" / "1")
    server = run_server()
    models = server.server.repository

    async def swap() -> None:
        with models.acquire(Spec("m")) as servable:
            publish("triple", tmp_path / "m" / "2")
            await models.poll()
            assert [v.state.name for v in models.versions("m")] == ["AVAILABLE", "UNLOADING"]
            x = {"x": np.ones((1, 3), np.float32)}
            assert servable.signature().call(x)["y"][0, 0] == 2.0
        assert [v.state.name for v in models.versions("m")] == ["AVAILABLE", "END"]

    server.wait(swap())


def test_a_version_that_is_taken_away_gives_way_to_the_one_before(
    run_server: Callable[..., Any], publish: Publish, tmp_path: Path
) -> None:
    publish("double", tmp_path / "m" / "1")
    publish("triple", tmp_path / "m" / "2")
    server = run_server()
    assert factor(server) == 3.0
    (tmp_path / "m" / "2").rename(tmp_path / "m" / "gone")
    server.poll()
    assert factor(server) == 2.0
    assert server.states("m") == {"1": "AVAILABLE", "2": "END"}
    (tmp_path / "m" / "1").rename(tmp_path / "m" / "gone too")
    server.poll()
    assert server.post("m:predict", ROW).status_code == 404


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (lambda path: truncate(path / "saved_model.pb"), "FAILED_PRECONDITION",
         "saved_model.pb: content differs from the sha256 in manifest.json"),
        (lambda path: flip(path / "variables/variables.data-00000-of-00001"),
         "FAILED_PRECONDITION", "variables.data-00000-of-00001: content differs from the sha256"),
        (lambda path: (path / "variables/variables.index").unlink(), "FAILED_PRECONDITION",
         "variables.index: missing, though manifest.json lists it"),
        (lambda path: (path / "manifest.json").unlink(), "FAILED_PRECONDITION",
         "not a logo_tf artefact (it has no manifest.json)"),
    ],
)  # fmt: skip
def test_what_was_changed_is_not_loaded_and_the_old_version_answers(
    run_server: Callable[..., Any],
    publish: Publish,
    tmp_path: Path,
    spoil: Callable[[Path], Any],
    code: str,
    message: str,
) -> None:
    publish("double", tmp_path / "m" / "1")
    server = run_server()
    spoil(publish("triple", tmp_path / "aside" / "2"))
    (tmp_path / "aside" / "2").rename(tmp_path / "m" / "2")
    server.poll()
    server.poll()  # it is not tried again
    assert failure(server)[:2] == ("END", code)
    assert message in failure(server)[2]
    assert factor(server) == 2.0
    assert sum("is not served" in line for line in server.said) == 1


def test_a_copy_is_tried_again_once_it_is_whole(
    run_server: Callable[..., Any], publish: Publish, tmp_path: Path
) -> None:
    publish("double", tmp_path / "m" / "1")
    server = run_server()
    pb = publish("triple", tmp_path / "m" / "2") / "saved_model.pb"
    content = pb.read_bytes()
    truncate(pb)
    server.poll()
    assert factor(server) == 2.0
    pb.write_bytes(content)
    server.poll()
    assert factor(server) == 3.0


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (change_graph(add_read_file), "FAILED_PRECONDITION", "ops .* may not have: ReadFile"),
        (change_graph(lambda graph: graph.meta_info_def.ClearField("tags")), "INTERNAL",
         "no graph that is tagged 'serve'"),
        (warm_up(b"\xff"), "FAILED_PRECONDITION", "tf_serving_warmup_requests: is damaged"),
        (warm_up(prediction_log_pb2.PredictionLog().SerializeToString()), "FAILED_PRECONDITION",
         "record 0 is not a request to predict"),
    ],
)  # fmt: skip
def test_what_must_not_or_cannot_be_loaded(
    run_server: Callable[..., Any],
    publish: Publish,
    tmp_path: Path,
    change: Callable[[Path], None],
    code: str,
    message: str,
) -> None:
    publish("double", tmp_path / "m" / "1", change)
    found = failure(run_server(), "1")
    assert found[:2] == ("END", code)
    assert re.search(message, found[2])


def test_warm_up_is_answered_before_a_version_is_available(
    run_server: Callable[..., Any],
    publish: Publish,
    predict_request: Callable[..., Any],
    tmp_path: Path,
) -> None:
    log = prediction_log_pb2.PredictionLog()
    request = predict_request("m", {"x": np.ones((1, 3), np.float32)})
    log.predict_log.request.CopyFrom(request)
    good = log.SerializeToString()
    publish("double", tmp_path / "m" / "1", warm_up(good, good))
    server = run_server()
    assert factor(server) == 2.0
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    publish("triple", tmp_path / "m" / "2", warm_up(good, log.SerializeToString()))
    server.poll()
    assert failure(server)[1] == "INVALID_ARGUMENT"
    assert 'warm-up record 1: input "x" has shape [1], expected [-1,3]' in failure(server)[2]
    assert factor(server) == 2.0
    publish("triple", tmp_path / "m" / "3", warm_up(*[good] * 1001))
    server.poll()
    assert "holds more than 1000 requests" in failure(server, "3")[2]


def test_plain_saved_models_are_served_where_asked_for_and_scanned_all_the_same(
    run_server: Callable[..., Any], publish: Publish, tmp_path: Path
) -> None:
    (publish("double", tmp_path / "m" / "1") / "manifest.json").unlink()
    server = run_server(plain=True)
    assert factor(server) == 2.0
    version = publish("triple", tmp_path / "aside" / "2", change_graph(add_read_file))
    (version / "manifest.json").unlink()
    version.rename(tmp_path / "m" / "2")
    server.poll()
    assert "ReadFile" in failure(server)[2]
    pb = publish("triple", tmp_path / "aside" / "3")
    truncate(pb / "variables/variables.data-00000-of-00001")
    (pb / "manifest.json").unlink()
    pb.rename(tmp_path / "m" / "3")
    server.poll()
    assert failure(server, "3")[0] == "END"
    assert factor(server) == 2.0


def reload(server: Any, text: str) -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    return server.models.HandleReloadConfigRequest(request, timeout=30)


def listed(name: str, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{name}" model_platform: "tensorflow" {more} }}'


def test_a_new_config_replaces_the_old_one(
    run_server: Callable[..., Any], publish: Publish, tmp_path: Path
) -> None:
    for version, name in enumerate(("double", "triple", "double"), start=1):
        publish(name, tmp_path / "m" / str(version))
    publish("triple", tmp_path / "other" / "1")
    server = run_server()
    assert server.server.available() == ["m 3", "other 1"]
    specific = "model_version_policy { specific { versions: 1 versions: 2 } }"
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    reload(server, f"model_config_list {{ {listed('m', specific + labels)} }}")
    assert server.server.available() == ["m 2", "m 1"]
    assert factor(server, "m/labels/stable") == 2.0
    assert factor(server, "m/labels/canary") == 3.0
    assert server.post("other:predict", ROW).status_code == 404
    wrong = specific + 'version_labels { key: "stable" value: 3 }'
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, f"model_config_list {{ {listed('m', wrong)} }}")
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "assign label to version 3 of model m, which is not" in caught.value.details()
    server.poll()
    assert factor(server, "m/labels/stable") == 2.0
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, f"model_config_list {{ {listed('m')} {listed('none')} }}")
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert "Some models did not become available: {none}" in caught.value.details()
    assert server.server.available() == ["m 3"]
    latest = "model_version_policy { latest { num_versions: 2 } }"
    reload(server, f"model_config_list {{ {listed('m', latest)} }}")
    assert server.server.available() == ["m 3", "m 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the new config: has no model_config_list"),
        (f"model_config_list {{ {listed('../m')} }}", "name '../m': use 1 to 64 letters"),
        (f"model_config_list {{ {listed('m')} {listed('m')} }}", "model 'm' is listed twice"),
        ('model_config_list { config { name: "m" } }', "model m: has no base_path"),
        ('model_config_list { config { name: "m" base_path: "m" model_platform: "x" } }',
         "model_platform is 'x', only \"tensorflow\" can be served"),
        (f"model_config_list {{ {listed('m', UNFIT)} }}",
         "label 'a b': use 1 to 64 letters"),
    ],
)  # fmt: skip
def test_configs_that_are_refused(shared: Any, text: str, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        reload(shared, text)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()
    assert shared.server.available() == ["kinds 7", "times 2", "times 1"]


def test_version_and_label_together_are_refused(shared: Any) -> None:
    with pytest.raises(ServingError, match="Both model version"):
        shared.server.repository.status(Spec("times", 1, "stable"))
