"""The limits of batching: TensorFlow Serving's ``batching_parameters.txt``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    wrappers_pb2,
)

from logo_tf.errors import LogoError
from logo_tf.serving.settings import read_text_proto

_NUMBERS = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """What ``batching_parameters.txt`` sets, under its names.

    Attributes:
      max_batch_size: most rows of a call; a request of more is refused.
      batch_timeout_micros: how long a request may wait for company, in microseconds.
      max_enqueued_batches: batches that wait; what comes beyond is refused.
      num_batch_threads: calls at a time, of each signature.
      allowed_batch_sizes: a call is filled up to the next of these by repeating a row, so that
        few sizes are ever traced; none is any size. The last is ``max_batch_size``.
    """

    max_batch_size: int = 256
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        positive = (self.max_batch_size, self.max_enqueued_batches, self.num_batch_threads)
        if min(positive) < 1 or self.batch_timeout_micros < 0:
            raise LogoError("batching: sizes and threads must be at least 1, the timeout 0")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise LogoError(
                "batching: allowed_batch_sizes must ascend and end with max_batch_size "
                f"({self.max_batch_size}), got {list(sizes)}"
            )

    def padded(self, rows: int) -> int:
        """The size of a call of so many rows."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_parameters(file: Path) -> BatchingParameters:
    """Read ``batching_parameters.txt``; what it leaves out is as by default.

    Raises:
      LogoError: it cannot be read, or its numbers make no sense.
    """
    message = read_text_proto(file, _message())
    values: dict[str, Any] = {
        field.name: value.value for field, value in message.ListFields() if field.name in _NUMBERS
    }
    if message.allowed_batch_sizes:
        values["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    return BatchingParameters(**values)


def _message() -> Any:
    """An empty ``BatchingParameters``, which tensorflow-serving-api leaves out of its protos."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="logo_tf/batching_parameters.proto",
        package="logo_tf",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds: Mapping[str, str] = {
        **dict.fromkeys(_NUMBERS, ".google.protobuf.Int64Value"),
        "thread_pool_name": ".google.protobuf.StringValue",
    }
    for number, (name, kind) in enumerate(kinds.items(), start=1):
        message.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=kind,
            label=field.LABEL_OPTIONAL,
        )
    message.field.add(
        name="allowed_batch_sizes", number=6, type=field.TYPE_INT64, label=field.LABEL_REPEATED
    )
    message.field.add(
        name="pad_variable_length_inputs",
        number=7,
        type=field.TYPE_BOOL,
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName("logo_tf.BatchingParameters")
    return message_factory.GetMessageClass(found)()
