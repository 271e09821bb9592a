"""Requests over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from logo_tf.serving.status import Code, ServingError, invalid
from logo_tf.serving.versions import Spec, State

if TYPE_CHECKING:
    from logo_tf.serving.client import ClientConfig

_LARGEST_REQUEST = 64 * 2**20


class GrpcTransport:
    """A ``Transport`` over gRPC."""

    def __init__(self, target: str, encrypted: bool, config: ClientConfig) -> None:
        self._config = config
        options = [
            ("grpc.max_receive_message_length", config.largest),
            ("grpc.max_send_message_length", _LARGEST_REQUEST),
            # Requests are made again here, and only those that may be.
            ("grpc.enable_retries", 0),
        ]
        if encrypted:
            pem = None if config.certificate is None else config.certificate.read_bytes()
            credentials = grpc.ssl_channel_credentials(pem)
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        token = config.token
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._dtypes: dict[tuple[Spec, str], dict[str, tf.DType]] = {}

    def predict(
        self, spec: Spec, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """As ``Transport``."""
        request = predict_pb2.PredictRequest()
        _name(request.model_spec, spec)
        request.model_spec.signature_name = signature
        dtypes = self._input_dtypes(spec, signature)
        for name, value in inputs.items():
            # A name that is not known the server refuses, in its own words.
            fitting = _fitting(name, value, dtypes[name]) if name in dtypes else value
            request.inputs[name].CopyFrom(tf.make_tensor_proto(fitting))
        response = self._ask(self._predictions.Predict, request)
        try:
            return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        except (TypeError, ValueError) as error:
            text = f"the server answered with what is no tensor: {error}"
            raise ServingError(Code.DATA_LOSS, text) from None

    def states(self, spec: Spec) -> dict[int, str]:
        """As ``Transport``."""
        request = get_model_status_pb2.GetModelStatusRequest()
        _name(request.model_spec, spec)
        response = self._ask(self._models.GetModelStatus, request)
        known = {int(state): state.name for state in State}
        return {
            one.version: known.get(one.state, "UNKNOWN") for one in response.model_version_status
        }

    def close(self) -> None:
        """As ``Transport``."""
        self._channel.close()

    def _input_dtypes(self, spec: Spec, signature: str) -> dict[str, tf.DType]:
        """Of a signature's inputs, asked once: a model keeps its signatures over versions."""
        if (spec, signature) not in self._dtypes:
            request = get_model_metadata_pb2.GetModelMetadataRequest()
            _name(request.model_spec, spec)
            request.metadata_field.append("signature_def")
            response = self._ask(self._predictions.GetModelMetadata, request)
            found = get_model_metadata_pb2.SignatureDefMap()
            response.metadata["signature_def"].Unpack(found)
            if signature not in found.signature_def:
                raise invalid(f'Serving signature key "{signature}" not found.')
            inputs = found.signature_def[signature].inputs
            self._dtypes[spec, signature] = {
                name: tf.as_dtype(info.dtype) for name, info in inputs.items()
            }
        return self._dtypes[spec, signature]

    def _ask(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._config.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            number, _ = error.code().value
            raise ServingError(Code(number), error.details() or error.code().name) from None


def _fitting(name: str, value: np.ndarray, dtype: tf.DType) -> np.ndarray:
    """The value in the dtype of an input, where nothing but precision is lost."""
    if dtype == tf.string or value.dtype == dtype.as_numpy_dtype:
        return value
    fitting = value.astype(dtype.as_numpy_dtype)
    kept = dtype.is_floating or np.array_equal(fitting, value)
    if value.dtype.kind not in "bif" or not kept:
        raise invalid(f'input "{name}" holds {value.dtype}, expected {dtype.name}')
    return fitting


def _name(proto: Any, spec: Spec) -> None:
    proto.name = spec.name
    if spec.version is not None:
        proto.version.value = spec.version
    if spec.label is not None:
        proto.version_label = spec.label
