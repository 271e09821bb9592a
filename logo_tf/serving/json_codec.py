"""REST's bodies: row and columnar JSON to arrays and back, as TensorFlow Serving reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from logo_tf.serving.json_parser import parse, preview
from logo_tf.serving.json_values import Numbers, is_base64, walked
from logo_tf.serving.status import Code, ServingError, invalid
from logo_tf.serving.tensors import Tensor, shape_text

Format = Literal["row", "columnar"]
Inputs = Mapping[str, Tensor]


class Request(NamedTuple):
    """A body: inputs (arrays of the signature's dtypes) and the format to answer in."""

    inputs: dict[str, np.ndarray]
    format: Format


def decode(body: bytes, inputs_of: Callable[[str], Inputs]) -> Request:
    """Read the body of a predict request.

    Args:
      body: JSON, UTF-8.
      inputs_of: gives the inputs of the signature of a name; empty for the default one.

    Raises:
      ServingError: what is wrong with it, and whatever ``inputs_of`` raises.
    """
    document = parse(body)
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {preview(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {preview(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    inputs = inputs_of(name)
    if not inputs:
        raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    numbers = Numbers.of(body)
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {preview(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid(
                f"JSON Value: {preview(document)} Excepting 'instances' to be an list/array"
            )
        if not rows:
            raise invalid(f"JSON Value: {preview(document)} No values in 'instances' array")
        return Request(_rows(rows, inputs, numbers), "row")
    if "inputs" in document:
        return Request(_columns(document["inputs"], inputs, numbers), "columnar")
    raise invalid("Missing 'inputs' or 'instances' key")


def encode(outputs: Mapping[str, np.ndarray], form: Format) -> bytes:
    """Write an answer, ``{"predictions": [...]}`` of rows or ``{"outputs": ...}`` of columns.

    Raises:
      ServingError: rows are asked for, but the outputs have no common first axis, or a dtype
        has no place in JSON.
    """
    if form == "row":
        _check_rows(outputs)
    named = lists(outputs)
    alone = next(iter(named.values())) if len(named) == 1 else None
    if form == "columnar":
        return json.dumps({"outputs": named if alone is None else alone}).encode()
    if alone is None:
        columns = zip(*named.values(), strict=True)
        alone = [dict(zip(named, row, strict=True)) for row in columns]
    return json.dumps({"predictions": alone}).encode()


def lists(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays as JSON can hold them, by name in alphabetical order.

    Raises:
      ServingError: a dtype has no place in JSON.
    """
    return {name: _listed(name, value) for name, value in sorted(arrays.items())}


def _rows(rows: list[Any], inputs: Inputs, numbers: Numbers) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if not _is_object(rows[0]):
        name, tensor = next(iter(inputs.items()))
        array = numbers.array(rows, tensor.dtype)
        if array is None:
            for number, row in enumerate(rows):
                if _is_object(row):
                    raise invalid(
                        f"Expecting value/list but got object at item {number} of input list"
                    )
            array = _walked_rows(rows, tensor, "")
        return {name: array}
    names = inputs.keys()
    for number, row in enumerate(rows):
        if not _is_object(row):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        if row.keys() != names:
            extra = next((key for key in row if key not in names), None)
            if extra is not None:
                raise invalid(
                    f"Failed to process element: {number} key: {extra} of 'instances' list. "
                    f"Error: INVALID_ARGUMENT: JSON object: does not have named input: {extra}"
                )
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{preview(row)} keys must be equal to: {','.join(sorted(names))}"
            )
    found = {}
    for name, tensor in inputs.items():
        column = [row[name] for row in rows]
        array = numbers.array(column, tensor.dtype)
        found[name] = _walked_rows(column, tensor, f" key: {name}") if array is None else array
    return found


def _walked_rows(column: list[Any], tensor: Tensor, key: str) -> np.ndarray:
    """As ``walked``, of one value a row, all of which must be of one shape."""
    arrays: list[np.ndarray] = []
    for number, value in enumerate(column):
        try:
            array = walked(value, tensor.dtype)
            if arrays and array.shape != arrays[0].shape:
                if array.size != arrays[0].size:
                    raise invalid(f"Expecting tensor size: {arrays[0].size} but got: {array.size}")
                shapes = shape_text(arrays[0].shape), shape_text(array.shape)
                raise invalid(f"Expecting shape {shapes[0]} but got: {shapes[1]}")
        except ServingError as error:
            if error.code != Code.INVALID_ARGUMENT:
                raise
            raise invalid(
                f"Failed to process element: {number}{key} of 'instances' list. "
                f"Error: INVALID_ARGUMENT: {error.message}"
            ) from None
        arrays.append(array)
    return np.stack(arrays)


def _columns(value: Any, inputs: Inputs, numbers: Numbers) -> dict[str, np.ndarray]:
    if not _is_object(value):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        value = {next(iter(inputs)): value}
    found = {}
    for name, tensor in inputs.items():
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        array = numbers.array(value[name], tensor.dtype)
        found[name] = walked(value[name], tensor.dtype) if array is None else array
    return found


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    size = None
    for name, value in outputs.items():
        if not value.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size is not None and len(value) != size:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {size}"
            )
        size = len(value)


def _listed(name: str, value: np.ndarray) -> Any:
    if value.dtype == np.float32:
        return _short(value).tolist()
    if value.dtype.kind == "O":
        write = _as_base64 if name.endswith("_bytes") else _as_text
        strings = np.empty(value.size, object)
        strings[:] = [write(one) for one in value.ravel()]
        return strings.reshape(value.shape).tolist()
    if value.dtype.kind not in "biuf":
        raise invalid(f"Failed to write JSON value for tensor type: {value.dtype}")
    return value.tolist()


def _short(value: np.ndarray) -> np.ndarray:
    """float32 as the float64 of the fewest digits: 0.2, where it is 0.20000000298 exactly.

    Six significant digits where they name the same float32, else nine, which always do.
    """
    exact = value.astype(np.float64)
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(exact)))
        short = exact
        for digits in (9, 6):
            scale = 10.0 ** (digits - 1 - exponent)
            rounded = np.rint(exact * scale) / scale
            short = np.where(rounded.astype(np.float32) == value, rounded, short)
    return short


def _as_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _as_text(value: bytes) -> str:
    return value.decode(errors="replace")
