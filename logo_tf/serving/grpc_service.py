"""gRPC: TensorFlow Serving's PredictionService and ModelService, on grpc.aio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from logo_tf.errors import LogoError
from logo_tf.serving import metadata
from logo_tf.serving.core import Core
from logo_tf.serving.methods import refuse_examples
from logo_tf.serving.metrics import Metrics
from logo_tf.serving.repository import Repository
from logo_tf.serving.settings import from_proto
from logo_tf.serving.status import Code, ServingError, invalid
from logo_tf.serving.tensors import to_proto
from logo_tf.serving.versions import Spec

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
_SIGNATURES = "signature_def"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

T = TypeVar("T")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and metadata; other calls are refused as for signatures that are not such."""

    def __init__(self, core: Core, repository: Repository, metrics: Metrics) -> None:
        self._core = core
        self._repository = repository
        self._metrics = metrics

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer a ``PredictRequest``."""
        return await self._counted(context, "predict", request, self._predict)

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer with the signatures."""
        return await _answered(context, self._metadata, request)

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse."""
        return await self._counted(context, "classify", request, self._refuse("classify"))

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse."""
        return await self._counted(context, "regress", request, self._refuse("regress"))

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse what its first task would be refused for."""
        return await _answered(context, self._multi, request)

    async def _counted(
        self, context: Any, api: str, request: Any, answer: Callable[[Any], Awaitable[T]]
    ) -> T:
        begun, code = time.perf_counter(), Code.INTERNAL
        try:
            response = await answer(request)
            code = Code.OK
            return response
        except asyncio.CancelledError:  # by a deadline, or a client that left
            code = Code.CANCELLED
            raise
        except ServingError as error:
            code = error.code
            await _abort(context, error)
        finally:
            taken = time.perf_counter() - begun
            self._metrics.answered(request.model_spec.name, api, "GRPC", code, taken)

    async def _predict(self, request: Any) -> Any:
        with self._repository.acquire(_spec(request)) as servable:
            signature = servable.signature(request.model_spec.signature_name)
            inputs = signature.read(request.inputs)
            wanted = tuple(request.output_filter)
            outputs = await self._core.predict(servable, signature, inputs, wanted)
            response = predict_pb2.PredictResponse()
            _describe(response.model_spec, servable.name, servable.version, signature.name)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(to_proto(value))
        return response

    async def _metadata(self, request: Any) -> Any:
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURES:
                raise invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._repository.acquire(spec) as servable:
            _describe(response.model_spec, servable.name, servable.version, "")
            response.metadata[_SIGNATURES].Pack(metadata.signatures(servable))
        return response

    def _refuse(self, api: str) -> Callable[[Any], Awaitable[NoReturn]]:
        async def refuse(request: Any) -> NoReturn:
            with self._repository.acquire(_spec(request)) as servable:
                refuse_examples(servable.signature(request.model_spec.signature_name), api)

        return refuse

    async def _multi(self, request: Any) -> NoReturn:
        if not request.tasks:
            raise invalid("Inference request must specify at least one task")
        task = request.tasks[0]
        api = task.method_name.removeprefix("tensorflow/serving/")
        if api not in ("classify", "regress"):
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature: {task.method_name}")
        await self._refuse(api)(task)
        raise AssertionError  # it refuses


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """States of versions, and another list of models.

    Constructor arguments:
      repository: of the models.
      root: what relative ``base_path`` of a new list are relative to.
    """

    def __init__(self, repository: Repository, root: Path) -> None:
        self._repository = repository
        self._root = root

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer with the states of a model's versions."""
        return await _answered(context, self._status, request)

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Serve what the new config lists, and answer once that is so."""
        return await _answered(context, self._reload, request)

    async def _status(self, request: Any) -> Any:
        return metadata.status(self._repository, _spec(request))

    async def _reload(self, request: Any) -> Any:
        try:
            listed = from_proto(request.config, self._root, "the new config")
        except LogoError as error:
            raise invalid(str(error)) from None
        await self._repository.reload(listed)
        return model_management_pb2.ReloadConfigResponse()


async def _answered(context: Any, answer: Callable[[Any], Awaitable[T]], request: Any) -> T:
    try:
        return await answer(request)
    except ServingError as error:
        await _abort(context, error)


async def _abort(context: Any, error: ServingError) -> NoReturn:
    await context.abort(_CODES[int(error.code)], error.message)
    raise AssertionError  # abort raises


def _spec(request: Any) -> Spec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    chosen = spec.WhichOneof("version_choice")
    return Spec(
        spec.name,
        spec.version.value if chosen == "version" else None,
        spec.version_label if chosen == "version_label" else None,
    )


def _describe(spec: Any, name: str, version: int, signature: str) -> None:
    spec.name, spec.signature_name = name, signature
    spec.version.value = version
