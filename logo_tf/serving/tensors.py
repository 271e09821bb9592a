"""What tensors a signature takes and gives, and tensors as protos."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from logo_tf.serving.status import invalid

# Of one input: a proto of a few bytes may stand for as many equal elements as it likes.
LARGEST = 64 * 2**20


class Tensor(NamedTuple):
    """An input or an output of a signature.

    dtype: TensorFlow's; shape: None where a size is free, or None if the rank is.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    @property
    def batched(self) -> bool:
        """Whether its first axis is free, as that of a batch is."""
        return bool(self.shape) and self.shape is not None and self.shape[0] is None

    def check(self, value: np.ndarray) -> None:
        """Check the shape of a value.

        Raises:
          ServingError: INVALID_ARGUMENT, it does not fit.
        """
        fits = self.shape is None or (
            len(self.shape) == value.ndim
            and all(
                size in (None, given) for size, given in zip(self.shape, value.shape, strict=True)
            )
        )
        if not fits:
            raise invalid(
                f'input "{self.name}" has shape {shape_text(value.shape)}, '
                f"expected {shape_text(self.shape)}"
            )


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """A shape as TensorFlow Serving writes it: ``[-1,3]``, or ``[?]`` of an unknown rank."""
    if shape is None:
        return "[?]"
    return "[" + ",".join("-1" if size is None else str(size) for size in shape) + "]"


def type_text(dtype: tf.DType) -> str:
    """The name of a dtype as TensorFlow's C++ writes it: ``float``, not ``float32``."""
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


def from_proto(proto: Any, tensor: Tensor) -> np.ndarray:
    """Read an input out of a ``TensorProto``.

    Raises:
      ServingError: INVALID_ARGUMENT, it is of another dtype, is not whole, or would be larger
        than a request may be.
    """
    if proto.dtype != tensor.dtype.as_datatype_enum:
        try:
            given = type_text(tf.as_dtype(proto.dtype))
        except TypeError:
            given = str(proto.dtype)
        raise invalid(
            f'input "{tensor.name}" is of type {given}, expected {type_text(tensor.dtype)}'
        )
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f'input "{tensor.name}" has an unknown shape')
    count = math.prod(sizes)
    if len(sizes) > 32 or count * max(tensor.dtype.size or 1, 1) > LARGEST:
        raise invalid(f'input "{tensor.name}" is larger than {LARGEST} bytes')
    try:
        if tensor.dtype == tf.string and len(proto.string_val) != count:
            raise ValueError(f"{len(proto.string_val)} strings, but its shape holds {count}")
        return tf.make_ndarray(proto)
    except (ValueError, TypeError) as error:
        raise invalid(f'input "{tensor.name}" is not a whole tensor: {error}') from None


def to_proto(value: np.ndarray) -> Any:
    """Write an output as a ``TensorProto``."""
    if value.dtype.kind in "OSU":
        return tf.make_tensor_proto(value, tf.string, value.shape)
    proto = tensor_pb2.TensorProto(
        dtype=tf.as_dtype(value.dtype).as_datatype_enum, tensor_content=value.tobytes()
    )
    for size in value.shape:
        proto.tensor_shape.dim.add().size = size
    return proto
