"""Bodies as arrays and back; the table of test_requests.py has what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.serving import json_codec
from logo_tf.serving.json_parser import parse, preview
from logo_tf.serving.status import Code, ServingError
from logo_tf.serving.tensors import Tensor


def decoded(document: dict[str, Any] | bytes, **dtypes: tf.DType) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    inputs = {name: Tensor(name, dtype, None) for name, dtype in dtypes.items()}
    return json_codec.decode(body, lambda _: inputs)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1, 2.5, -3], tf.float32, np.array([1, 2.5, -3], np.float32)),
        ([[]], tf.float32, np.zeros((1, 0), np.float32)),
        ([[], []], tf.int64, np.zeros((2, 0), np.int64)),
        ([16777215, 1e10], tf.float32, np.array([16777215, 1e10], np.float32)),
        ([2**53 - 1], tf.float64, np.array([2**53 - 1], np.float64)),
        ([2**64 - 1, 0], tf.uint64, np.array([2**64 - 1, 0], np.uint64)),
        ([-(2**63)], tf.int64, np.array([-(2**63)])),
        ([255], tf.uint8, np.array([255], np.uint8)),
        ([[True], [False]], tf.bool, np.array([[True], [False]])),
        ([0.5], tf.float16, np.array([0.5], np.float16)),
        (7, tf.int32, np.array(7, np.int32)),
        ([["true"], ["é"]], tf.string, np.array([[b"true"], [b"\xc3\xa9"]], object)),
        ({"b64": "AA=="}, tf.string, np.array(b"\0", object)),
    ],
)
def test_columns(value: Any, dtype: tf.DType, expected: np.ndarray) -> None:
    found = decoded({"inputs": value}, x=dtype).inputs["x"]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    # A word in the body, and every value is looked at by itself: with the same result.
    walked = decoded({"inputs": {"x": value}, "is": True}, x=dtype).inputs["x"]
    assert walked.dtype == expected.dtype
    np.testing.assert_array_equal(walked, expected)


def test_rows_are_walked_with_the_same_result() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    for extra in ({}, {"is": True}):
        found = decoded({"instances": rows.tolist(), **extra}, x=tf.float32)
        assert found.format == "row"
        np.testing.assert_array_equal(found.inputs["x"], rows)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, True], tf.float32),
        ([1, True], tf.int32),
        ([1.0], tf.int64),
        ([-1], tf.uint32),
        ([256], tf.uint8),
        ([2**64], tf.uint64),
        ([1], tf.bool),
        ([2**24], tf.float32),
        ([10**400], tf.float64),
        ([65520.0], tf.float16),
        ([[1], 2], tf.float32),
        (["1"], tf.float32),
        ([{"b64": "AA=="}], tf.float32),
    ],
)
def test_what_does_not_fit_is_refused(value: Any, dtype: tf.DType) -> None:
    with pytest.raises(ServingError) as caught:
        decoded({"inputs": value}, x=dtype)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_dtype_that_json_has_no_place_for() -> None:
    with pytest.raises(ServingError, match=r"Conversion of JSON Value: 1 to type: complex64") as e:
        decoded({"inputs": [1]}, x=tf.complex64)
    assert e.value.http == 501
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: complex64"):
        json_codec.encode({"y": np.zeros(1, np.complex64)}, "columnar")


def test_brackets_within_strings_do_not_count_as_depth() -> None:
    text = "[" * 200 + '\\"' + "{" * 200
    assert parse(json.dumps({"a": text}).encode()) == {"a": text}
    for body in (b'{"a": "' + b"[" * 200, b'"\\' * 50_000 + b"[" * 200):
        with pytest.raises(ServingError, match="JSON Parse error"):
            parse(body)
    with pytest.raises(ServingError, match="nested deeper than 100 levels"):
        parse(b'{"a":' * 101 + b"1" + b"}" * 101)


def test_float32_is_written_as_short_as_it_may_be() -> None:
    values = np.array([0.2, 1 / 3, 9e6, 1e-30, 3.4028235e38, 16777216, -0.0, 1e-45], np.float32)
    text = json_codec.encode({"y": values}, "columnar").decode()
    assert text.startswith('{"outputs": [0.2, 0.333333343, 9000000.0, 1e-30, ')
    rng = np.random.default_rng(1)
    many = rng.integers(0, 2**32, 20_000, np.uint32).view(np.float32)
    many = np.concatenate([values, many[np.isfinite(many)]])
    back = json.loads(json_codec.encode({"y": many}, "columnar"))["outputs"]
    np.testing.assert_array_equal(np.array(back, np.float32), many)


def test_rows_of_outputs() -> None:
    outputs = {"b": np.array([[1], [2]], np.int32), "a": np.array([0.5, np.nan], np.float32)}
    text = json_codec.encode(outputs, "row").decode()
    assert text == '{"predictions": [{"a": 0.5, "b": [1]}, {"a": NaN, "b": [2]}]}'
    with pytest.raises(ServingError, match="Tensor name: c has no shape information"):
        json_codec.encode({"c": np.float32(1)}, "row")
    with pytest.raises(ServingError, match="inconsistent batch size: 2 expecting: 1"):
        json_codec.encode({"a": np.zeros(1), "b": np.zeros(2)}, "row")


def test_previews_are_short() -> None:
    assert preview({"a": [1, "x"]}) == '{"a":[1,"x"]}'
    assert len(preview([0] * 10**6)) < 210
