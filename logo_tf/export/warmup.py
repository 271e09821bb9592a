"""Requests that a server answers before a version is called available, and their answers.

``assets.extra/tf_serving_warmup_requests`` is TensorFlow Serving's own file: a TFRecord of
PredictionLog. Servers send the requests through a model that they have just loaded, so that
the first client does not wait for kernels to be set up. The answers, which servers do not
read, are what the model was found to say when it was exported; ``logo-tf publish`` asks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.errors import LogoError

FILE = "assets.extra/tf_serving_warmup_requests"
# TensorFlow Serving refuses to load a model that has more.
LIMIT = 1000


class Exchange(NamedTuple):
    """A request of a signature and its answer, tensors by name."""

    signature: str
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


def write_warmup(folder: Path, name: str, exchanges: Iterable[Exchange]) -> None:
    """Write a version's warm-up requests.

    Args:
      folder: of the version.
      name: of the servable model.
      exchanges: requests and answers.
    """
    file = folder / FILE
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for exchange in exchanges:
            writer.write(_record(name, exchange).SerializeToString(deterministic=True))


def read_warmup(folder: Path) -> Iterator[Exchange]:
    """Read a version's warm-up requests and answers; none where it has none.

    Raises:
      LogoError: the file is damaged, or holds something else than predictions.
    """
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    file = folder / FILE
    if not file.is_file():
        return
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()):
            if number == LIMIT:
                raise LogoError(f"{file}: holds more than {LIMIT} requests")
            log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
            if not log.request.inputs:
                raise LogoError(f"{file}: record {number} is not a request to predict")
            yield Exchange(
                log.request.model_spec.signature_name,
                _arrays(log.request.inputs),
                _arrays(log.response.outputs),
            )
    except (DecodeError, tf.errors.DataLossError, TypeError, ValueError) as error:
        raise LogoError(f"{file}: is damaged: {str(error).splitlines()[0]}") from None


def _record(name: str, exchange: Exchange) -> Any:
    from tensorflow_serving.apis import prediction_log_pb2

    record = prediction_log_pb2.PredictionLog()
    log = record.predict_log
    for spec in (log.request.model_spec, log.response.model_spec):
        spec.name, spec.signature_name = name, exchange.signature
    for proto, tensors in (
        (log.request.inputs, exchange.inputs),
        (log.response.outputs, exchange.outputs),
    ):
        for key, value in tensors.items():
            proto[key].CopyFrom(tf.make_tensor_proto(value))
    return record


def _arrays(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}
