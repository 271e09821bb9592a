"""Values of JSON as arrays of a dtype.

A list of numbers becomes an array in one call of NumPy. What that cannot vouch for (strings,
booleans, whole numbers that a float cannot hold, lists that are no tensor) is walked value by
value, which also finds the words for what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.serving.json_parser import preview
from logo_tf.serving.status import Code, ServingError, invalid
from logo_tf.serving.tensors import type_text

_INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)
_FLOATS = (tf.float16, tf.float32, tf.float64)
_WORDS = re.compile(rb"true|false|null")


class Numbers(NamedTuple):
    """How lists become arrays.

    trusted: neither true, false nor null is in the body. NumPy counts a boolean among numbers as
    one; where none is about, nothing needs a look.
    """

    trusted: bool

    @classmethod
    def of(cls, body: bytes) -> Numbers:
        """For the lists of a body."""
        return cls(not _WORDS.search(body))

    def array(self, value: Any, dtype: tf.DType) -> np.ndarray | None:
        """The array of a list in one call, or None if it must be walked."""
        if dtype == tf.string or not self.trusted:
            return None
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError):  # ragged, or deeper than an array can be
            return None
        if array.size == 0 and array.dtype.kind == "f":
            return array.astype(dtype.as_numpy_dtype)
        if array.dtype.kind not in "iuf":
            return None
        if dtype in _INTEGERS:
            fits = array.dtype.kind in "iu" and _within(array, dtype)
        else:
            fits = dtype in _FLOATS and _small(array, dtype)
        return array.astype(dtype.as_numpy_dtype) if fits else None


def _within(array: np.ndarray, dtype: tf.DType) -> bool:
    return bool(array.min() >= dtype.min and array.max() <= dtype.max)


def _small(array: np.ndarray, dtype: tf.DType) -> bool:
    """Whether every number, were it whole, is one that the dtype holds exactly."""
    magnitude = np.abs(array[np.isfinite(array)] if array.dtype.kind == "f" else array)
    return magnitude.size == 0 or bool(0 <= magnitude.max() <= _largest_whole(dtype))


def _largest_whole(dtype: tf.DType) -> int:
    return int(2 ** (np.finfo(dtype.as_numpy_dtype).nmant + 1)) - 1


def walked(value: Any, dtype: tf.DType) -> np.ndarray:
    """The array of a value, whose first elements say what shape it must have throughout."""
    shape = []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    flat: list[Any] = []
    _fill(value, 0, shape, dtype, flat)
    if len(shape) > 32:
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < 32")
    kind = object if dtype == tf.string else dtype.as_numpy_dtype
    array = np.empty(len(flat), kind)
    array[:] = flat
    return array.reshape(shape)


def _fill(value: Any, level: int, shape: list[int], dtype: tf.DType, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {preview(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for element in value:
        _fill(element, level + 1, shape, dtype, flat)


def _scalar(value: Any, dtype: tf.DType) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if dtype == tf.string:
        return _bytes(value)
    if dtype == tf.bool:
        if isinstance(value, bool):
            return value
    elif dtype in _INTEGERS:
        if whole and dtype.min <= value <= dtype.max:
            return value
    elif dtype in _FLOATS:
        if whole or isinstance(value, float):
            return _lossless(value, whole, dtype)
    else:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {preview(value)} to type: {type_text(dtype)}",
        )
    raise _type_error(value, dtype)


def _lossless(value: float, whole: bool, dtype: tf.DType) -> float:
    limit = _largest_whole(dtype) if whole else float(dtype.max)
    if abs(value) > limit and (whole or math.isfinite(value)):
        raise invalid(
            f"Cannot convert JSON value: {preview(value)} to {type_text(dtype)} "
            "without loss of precision."
        )
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise invalid(
                f"JSON Value: {preview(value)} The surrogate pair in string is invalid."
            ) from None
    if not isinstance(value, dict):
        raise _type_error(value, tf.string)
    if not is_base64(value):
        raise invalid(f"JSON Value: {preview(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _type_error(value: Any, dtype: tf.DType) -> ServingError:
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    kind = str(value) if isinstance(value, bool) else names.get(type(value), "Number")
    return invalid(
        f"JSON Value: {preview(value)} Type: {kind} is not of expected type: {type_text(dtype)}"
    )


def is_base64(value: Any) -> bool:
    """Whether it is ``{"b64": "..."}``, which stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)
