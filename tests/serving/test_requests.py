"""One table of requests, statuses and messages, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from logo_tf.serving.core import Core

PAIR = '{"signature_name": "serving_default", "instances": [{"a": [1, 2], "k": 1}'
GOOD = [
    ("times:predict", '{"instances": [[1, 2, 3], [0.1, 0, -1.5]]}',
     {"predictions": [[3.0, 6.0, 9.0], [0.3, 0.0, -4.5]]}),
    ("times/versions/1:predict", '{"instances": [[1, 2, 3]]}', {"predictions": [[2.0, 4.0, 6.0]]}),
    ("times/labels/stable:predict", '{"inputs": [[1, 2, 3]]}', {"outputs": [[2.0, 4.0, 6.0]]}),
    ("times:predict", '{"inputs": {"x": [[1, 2, 3]], "more": 1}}', {"outputs": [[3.0, 6.0, 9.0]]}),
    ("times:predict", '{"instances": [{"x": [1, 2, 3]}]}', {"predictions": [[3.0, 6.0, 9.0]]}),
    ("times:predict", '{"inputs": []}', (400, 'input "x" has shape [0], expected [-1,3]')),
    ("kinds:predict", PAIR + ', {"a": [3, 4], "k": -4}]}',
     {"predictions": [{"k": 2, "total": 3.0}, {"k": -8, "total": 7.0}]}),
    ("kinds:predict", '{"inputs": {"a": [[1], [2]], "k": [1, 2]}}',
     {"outputs": {"k": [2, 4], "total": [1.0, 2.0]}}),
    ("kinds:predict", '{"signature_name": "whole", "instances": [[1, -2]]}',
     {"predictions": [[2, -1]]}),
    ("kinds:predict", '{"signature_name": "truth", "instances": [true, false]}',
     {"predictions": [False, True]}),
    ("kinds:predict", '{"signature_name": "scalar", "inputs": 2}', {"outputs": 3.0}),
    ("kinds:predict", '{"signature_name": "text", "instances": ["é", {"b64": "AP8="}]}',
     {"predictions": [{"s": "é", "s_bytes": {"b64": "w6k="}},
                      {"s": "\0\ufffd", "s_bytes": {"b64": "AP8="}}]}),
]  # fmt: skip
BAD = [
    ("none:predict", '{"instances": [1]}', 404, "Servable not found for request: Latest(none)"),
    ("times/versions/9:predict", '{"instances": [1]}', 404,
     "Servable not found for request: Specific(times, 9)"),
    ("times/labels/x:predict", '{"instances": [1]}', 400,
     "Unrecognized servable version label: x"),
    ("times/versions/99999999999999999999:predict", "{}", 400,
     "Failed to convert version: 99999999999999999999 to numeric."),
    ("times:predict", "", 400, "JSON Parse error: The document is empty"),
    ("times:predict", '{"instances": [1, }', 400,
     "JSON Parse error: Invalid value. at offset: 18"),
    ("times:predict", '{"é": 1 "x"}', 400,
     "JSON Parse error: Missing a comma or ] after an array element. at offset: 9"),
    ("times:predict", "[1]", 400, "JSON Value: [1] Is not object"),
    ("times:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
    ("times:predict", '{"inputs": 1, "instances": [1]}', 400,
     "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"),
    ("times:predict", '{"instances": []}', 400, "No values in 'instances' array"),
    ("times:predict", '{"instances": 1}', 400, "Excepting 'instances' to be an list/array"),
    ("times:predict", '{"signature_name": "x", "instances": [1]}', 400,
     'Serving signature name: "x" not found in signature def'),
    ("times:predict", '{"signature_name": 1, "instances": [1]}', 400,
     "'signature_name' key must be a string value."),
    ("times:predict", '{"instances": [[1, 2]]}', 400,
     'input "x" has shape [1,2], expected [-1,3]'),
    ("times:predict", '{"instances": [[1, 2, 3], [1, 2]]}', 400,
     "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
     "Expecting tensor size: 3 but got: 2"),
    ("times:predict", '{"inputs": [[1, 2, 3], [1, 2]]}', 400,
     "Encountered list at unexpected size: 2 at level: 1 expected size: 3"),
    ("times:predict", '{"inputs": [[1, 2, [3]]]}', 400,
     "Encountered list at unexpected level: 2 expected < 2"),
    ("times:predict", '{"inputs": [[1, 2, 3], 4]}', 400,
     "JSON Value: 4 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
    ("times:predict", '{"instances": [["a", 2, 3]]}', 400,
     'JSON Value: "a" Type: String is not of expected type: float'),
    ("times:predict", '{"instances": [[true, 2, 3]]}', 400,
     "JSON Value: true Type: True is not of expected type: float"),
    ("times:predict", '{"instances": [[null, 2, 3]]}', 400, "Type: Null is not of expected type"),
    ("times:predict", '{"instances": [[1e39, 2, 3]]}', 400,
     "Cannot convert JSON value: 1e+39 to float without loss of precision."),
    ("times:predict", '{"instances": [[16777217, 2, 3]]}', 400,
     "Cannot convert JSON value: 16777217 to float without loss of precision."),
    ("kinds:predict", '{"signature_name": "whole", "instances": [[1.0, 2]]}', 400,
     "JSON Value: 1.0 Type: Number is not of expected type: int32"),
    ("kinds:predict", '{"signature_name": "whole", "instances": [[2147483648, 2]]}', 400,
     "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
    ("kinds:predict", '{"inputs": {"a": [[1]], "k": [9223372036854775808]}}', 400,
     "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64"),
    ("kinds:predict", '{"signature_name": "text", "instances": [{"b64": "?"}]}', 400,
     "Unable to base64 decode"),
    ("kinds:predict", '{"signature_name": "text", "inputs": [1]}', 400,
     "JSON Value: 1 Type: Number is not of expected type: string"),
    ("kinds:predict", '{"signature_name": "scalar", "instances": [1]}', 400,
     'input "v" has shape [1], expected []'),
    ("kinds:predict", '{"signature_name": "scalar", "inputs": [1]}', 400,
     'input "v" has shape [1], expected []'),
    ("kinds:predict", '{"signature_name": "nothing", "inputs": {}}', 400,
     "Failed to get input map for signature: nothing"),
    ("kinds:predict", '{"instances": [1]}', 400,
     "instances is a plain list, but expecting list of objects as multiple input tensors"),
    ("kinds:predict", '{"inputs": [1]}', 400,
     "inputs is a plain value/list, but expecting an object as multiple input tensors"),
    ("kinds:predict", '{"inputs": {"a": [[1]]}}', 400,
     "Missing named input: k in 'inputs' object."),
    ("kinds:predict", '{"instances": [{"a": [1]}]}', 400, "keys must be equal to: a,k"),
    ("kinds:predict", '{"instances": [{"a": [1], "k": 1, "z": 2}]}', 400,
     "JSON object: does not have named input: z"),
    ("kinds:predict", PAIR + ", [1]]}", 400, "Expecting object but got list at item 1"),
    ("times:predict", '{"instances": [[1, 2, 3], {"x": [1, 2, 3]}]}', 400,
     "Expecting value/list but got object at item 1 of input list"),
    ("kinds:predict", '{"inputs": {"a": [[1], [1]], "k": [1]}}', 400,
     "Batching input tensors must have equal 0th dimensions"),
    ("kinds:predict", '{"inputs": {"a": [[1]], "k": [13]}}', 400, "thirteen"),
    ("times:predict", json.dumps({"instances": [[1, 2, 3]] * 65}), 400,
     "Task size 65 is larger than maximum input batch size 64"),
    ("times:classify", '{"examples": [{}]}', 400,
     "Expected classification signature method_name to be tensorflow/serving/classify. "
     "Was: tensorflow/serving/predict"),
    ("times:regress", '{"examples": [{}]}', 400, "Expected regression signature method_name"),
    ("times:classify", "{}", 400, "key 'examples' is expected and was not found"),
    ("times:guess", "{}", 400, "Malformed request: POST /v1/models/times:guess"),
    ("../../x:predict", "{}", 404, "Not found"),
    ("%2e%2e%2fx:predict", "{}", 404, "Servable not found for request: Latest(../x)"),
    ("a%00b:predict", "{}", 404, "Servable not found for request: Latest(a\0b)"),
    ("n" * 300 + ":predict", "{}", 404, "Servable not found for request: Latest(nnn"),
    ("times:predict", "[" * 250_000, 400, "JSON Parse error: nested deeper than 100 levels"),
    ("times:predict", '{"instances": ' + "[" * 90 + "]" * 90 + "}", 400, "Encountered list at"),
    ("times:predict", b'{"instances": [["\xff"]]}', 400,
     "JSON Parse error: Invalid encoding in string. at offset: 17"),
    ("times:predict", '{"instances": [[' + "9" * 5000 + "]]}", 400,
     "JSON Parse error: Number too big to be stored in double."),
    ("kinds:predict", '{"signature_name": "text", "inputs": ["\\ud800"]}', 400,
     "The surrogate pair in string is invalid."),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "answer"), GOOD)
def test_rest_answers(shared: Any, path: str, body: str, answer: Any) -> None:
    response = shared.post(path, body.encode())
    if isinstance(answer, tuple):
        assert (response.status_code, response.json()["error"]) == answer
    else:
        assert response.headers["Content-Type"].startswith("application/json")
        assert (response.status_code, response.json()) == (200, answer)


@pytest.mark.parametrize(("path", "body", "status", "message"), BAD)
def test_rest_refuses(shared: Any, path: str, body: Any, status: int, message: str) -> None:
    response = shared.post(path, body if isinstance(body, bytes) else body.encode())
    assert response.status_code == status, response.text
    assert message in response.json()["error"]
    assert len(response.json()["error"]) < 1100


def test_numbers_that_are_not_finite_travel_as_tokens(shared: Any) -> None:
    response = shared.post("times:predict", '{"instances": [[NaN, Infinity, -Infinity]]}')
    assert response.text == '{"predictions": [[NaN, Infinity, -Infinity]]}'


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/times/versions/9", 404, "Could not find version 9 of model times"),
        ("GET", "/v1/models/times/labels/x", 400, "Unrecognized servable version label: x"),
        ("GET", "/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/v1/models/times/versions/x", 400,
         "Malformed request: GET /v1/models/times/versions/x"),
        ("PUT", "/v1/models/times", 400, "Malformed request: PUT /v1/models/times"),
        ("GET", "/v1/models/times:predict", 400,
         "Malformed request: GET /v1/models/times:predict"),
        ("GET", "/nothing", 404, "Not found: /nothing; models are below /v1/models/"),
    ],
)  # fmt: skip
def test_other_paths(shared: Any, method: str, path: str, status: int, message: str) -> None:
    response = requests.request(method, shared.url + path, timeout=30)
    assert (response.status_code, response.json()) == (status, {"error": message})


def test_status_and_metadata(shared: Any) -> None:
    fine = {"error_code": "OK", "error_message": ""}
    one = {"version": "1", "state": "AVAILABLE", "status": fine}
    both = [{"version": "2", "state": "AVAILABLE", "status": fine}, one]
    assert shared.get("times").json() == {"model_version_status": both}
    assert shared.get("times/labels/stable").json() == {"model_version_status": [one]}
    about = shared.get("times/versions/1/metadata").json()
    assert about["model_spec"] == {"name": "times", "signature_name": "", "version": "1"}
    signature = about["metadata"]["signature_def"]["signature_def"]["serving_default"]
    sizes = [{"size": "-1", "name": ""}, {"size": "3", "name": ""}]
    shape = {"dim": sizes, "unknown_rank": False}
    name = "serving_default_x:0"
    assert signature["inputs"] == {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": name}}
    assert signature["method_name"] == "tensorflow/serving/predict"


def test_grpc_predicts(shared: Any) -> None:
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    response = shared.ask("times", {"x": x})
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("times", 2, "serving_default")
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), 3 * x)
    inputs = {"a": np.ones((2, 4), np.float32), "k": np.array([1, 2], np.int64)}
    response = shared.ask("kinds", inputs, output_filter=["k"])
    assert list(response.outputs) == ["k"]
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["k"]), [2, 4])
    response = shared.ask("kinds", {"s": np.array([b"\0\xff"], object)}, "text")
    assert tf.make_ndarray(response.outputs["s"]).tolist() == [b"\0\xff"]
    assert tf.make_ndarray(shared.ask("kinds", {}, "nothing").outputs["one"]) == 1


def test_grpc_picks_versions_and_labels(shared: Any, predict_request: Callable[..., Any]) -> None:
    request = predict_request("times", {"x": np.ones((1, 3), np.float32)})
    request.model_spec.version.value = 1
    assert tf.make_ndarray(shared.predictions.Predict(request).outputs["y"])[0, 0] == 2.0
    request.model_spec.version_label = "stable"
    response = shared.predictions.Predict(request)
    assert response.model_spec.version.value == 1


def raw(name: str, tensor: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.inputs["x"].CopyFrom(tensor)
    return request


def tensor(dtype: int, sizes: list[int], **more: Any) -> Any:
    made = tf.make_tensor_proto(0.0).__class__(dtype=dtype, **more)
    for size in sizes:
        made.tensor_shape.dim.add().size = size
    return made


ONES = np.ones((1, 3), np.float32)
GRPC = [
    ("none", {"x": ONES}, "", {}, "NOT_FOUND", "Servable not found for request: Latest(none)"),
    ("times", {"x": ONES}, "z", {}, "FAILED_PRECONDITION", 'Serving signature key "z" not found.'),
    ("times", {}, "", {}, "INVALID_ARGUMENT",
     "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
     "Missing but required: {x}."),
    ("times", {"x": ONES, "z": ONES}, "", {}, "INVALID_ARGUMENT", "Sent extra: {z}"),
    ("times", {"x": ONES[0]}, "", {}, "INVALID_ARGUMENT",
     'input "x" has shape [3], expected [-1,3]'),
    ("times", {"x": ONES.astype(int)}, "", {}, "INVALID_ARGUMENT",
     'input "x" is of type int64, expected float'),
    ("times", {"x": ONES}, "", {"output_filter": ["q"]}, "INVALID_ARGUMENT",
     "output tensor alias not found in signature: q Outputs expected to be in the set {y}."),
    ("times", {"x": ONES}, "", {"output_filter": ["y", "y"]}, "INVALID_ARGUMENT",
     "duplicate output tensor alias: y"),
    ("", {}, "", {}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs", "signature", "more", "code", "message"), GRPC)
def test_grpc_refuses(
    shared: Any, name: str, inputs: Any, signature: str, more: Any, code: str, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shared.ask(name, inputs, signature, **more)
    assert caught.value.code().name == code
    assert message in caught.value.details()


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (tensor(1, [2, 3], tensor_content=b"1234"), "is not a whole tensor"),
        (tensor(1, [100_000_000, 3], float_val=[1.0]), "is larger than 67108864 bytes"),
        (tensor(1, [-1, 3], float_val=[1.0]), "has an unknown shape"),
        (tensor(0, []), "is of type 0, expected float"),
    ],
)
def test_grpc_refuses_tensors_that_are_none(shared: Any, proto: Any, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shared.predictions.Predict(raw("times", proto))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()


def test_grpc_metadata_and_status(shared: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "times"
    with pytest.raises(grpc.RpcError, match="must specify at least one metadata_field"):
        shared.predictions.GetModelMetadata(request)
    request.metadata_field.append("size")
    with pytest.raises(grpc.RpcError, match="Metadata field size is not supported"):
        shared.predictions.GetModelMetadata(request)
    request.metadata_field[:] = ["signature_def"]
    response = shared.predictions.GetModelMetadata(request)
    assert response.model_spec.version.value == 2
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    assert list(found.signature_def["serving_default"].inputs) == ["x"]
    status = get_model_status_pb2.GetModelStatusRequest()
    with pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
        shared.models.GetModelStatus(status)
    status.model_spec.name = "times"
    versions = shared.models.GetModelStatus(status).model_version_status
    assert [(one.version, one.state) for one in versions] == [(2, 30), (1, 30)]


def test_grpc_refuses_what_takes_examples(shared: Any) -> None:
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "times"
    with pytest.raises(grpc.RpcError, match="Expected classification signature"):
        shared.predictions.Classify(classify)
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = "times"
    with pytest.raises(grpc.RpcError, match="Expected regression signature"):
        shared.predictions.Regress(regress)
    multi = inference_pb2.MultiInferenceRequest()
    with pytest.raises(grpc.RpcError, match="must specify at least one task"):
        shared.predictions.MultiInference(multi)
    multi.tasks.add(method_name="tensorflow/serving/regress").model_spec.name = "times"
    with pytest.raises(grpc.RpcError, match="Expected regression signature"):
        shared.predictions.MultiInference(multi)
    multi.tasks[0].method_name = "x"
    with pytest.raises(grpc.RpcError, match="Unsupported signature: x"):
        shared.predictions.MultiInference(multi)


def test_a_deadline_of_a_millisecond(
    shared: Any, predict_request: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Core.predict

    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(0.2)  # else it may be in time
        return await honest(*arguments)

    monkeypatch.setattr(Core, "predict", slow)
    request = predict_request("times", {"x": ONES})
    with pytest.raises(grpc.RpcError) as caught:
        shared.predictions.Predict(request, timeout=0.001)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
