"""REST: TensorFlow Serving's paths and bodies, on aiohttp."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from aiohttp import web
from google.protobuf import json_format

from logo_tf.serving import json_codec, metadata, metrics
from logo_tf.serving.core import Core
from logo_tf.serving.json_parser import parse, preview
from logo_tf.serving.methods import refuse_examples
from logo_tf.serving.metrics import Metrics
from logo_tf.serving.repository import Repository
from logo_tf.serving.servable import DEFAULT, Servable
from logo_tf.serving.status import Code, ServingError, invalid
from logo_tf.serving.tensors import LARGEST
from logo_tf.serving.versions import Spec

_LOG = logging.getLogger(__name__)
_TARGET = r"(?i)/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_ASK = re.compile(_TARGET + ":(classify|regress|predict)")
_LOOK = re.compile(r"(?i)/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(/metadata)?")
_MOST_DIGITS = 18
# What a client may take to send a body: it holds memory, and a shutdown waits for it.
_PATIENCE = 60.0
_WORTH_PACKING = 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Services(NamedTuple):
    """What handlers need; pages that are added are given the same."""

    core: Core
    repository: Repository
    metrics: Metrics


def build_app(
    services: Services,
    check_token: Callable[[str], bool] | None = None,
    routes: Iterable[web.RouteDef] = (),
    public: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Make the application.

    Args:
      services: what it serves.
      check_token: of the ``Authorization`` header; None lets everybody in.
      routes: further pages, which come before "not found".
      public: such that need no token.
    """
    api = _Api(services)
    public = list(public)
    layers = [_errors]
    if check_token is not None:
        layers.append(_guard(check_token, frozenset(route.path for route in public)))
    app = web.Application(client_max_size=LARGEST, middlewares=layers)
    app.add_routes([*public, *routes])
    app.add_routes(
        [
            web.get(metrics.PATH, api.figures),
            web.route("*", "/{path:(?i:v1)/.*}", api.answer),
            web.route("*", "/{path:.*}", _nothing),
        ]
    )
    return app


class _Api:
    def __init__(self, services: Services) -> None:
        self._core, self._repository, self._metrics = services

    async def figures(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), content_type="text/plain")

    async def answer(self, request: web.Request) -> web.Response:
        """Whatever is below ``/v1/``."""
        # As it was sent: encoded slashes and dots are no parts of the path.
        path = request.raw_path.partition("?")[0]
        if request.method == "POST" and (asked := _ASK.fullmatch(path)):
            return await self._ask(request, _spec(*asked.groups()[:3]), asked[4].lower())
        if request.method == "GET" and (looked := _LOOK.fullmatch(path)):
            if looked[1] is None:
                raise invalid("Missing model name in request.")
            spec = _spec(*looked.groups()[:3])
            return _json(request, self._metadata(spec) if looked[4] else self._status(spec))
        raise invalid(f"Malformed request: {request.method} {path}")

    async def _ask(self, request: web.Request, spec: Spec, api: str) -> web.Response:
        begun, code = time.perf_counter(), Code.INTERNAL
        try:
            body = await _body(request)
            with self._repository.acquire(spec) as servable:
                if api == "predict":
                    answer = await self._predict(servable, body)
                else:
                    _check_examples(servable, body, api)
            code = Code.OK
        except ServingError as error:
            code = error.code
            raise
        finally:
            taken = time.perf_counter() - begun
            self._metrics.answered(spec.name, api, "REST", code, taken)
        return _json(request, answer)

    async def _predict(self, servable: Servable, body: bytes) -> bytes:
        chosen = {}

        def inputs_of(name: str) -> json_codec.Inputs:
            chosen["signature"] = _signature(servable, name)
            return chosen["signature"].inputs

        asked = json_codec.decode(body, inputs_of)
        outputs = await self._core.predict(servable, chosen["signature"], asked.inputs)
        return json_codec.encode(outputs, asked.format)

    def _status(self, spec: Spec) -> bytes:
        response = metadata.status(self._repository, spec)
        # The one body whose ``error_code`` and ``error_message`` are there when empty too.
        return json.dumps(
            {
                "model_version_status": [
                    {
                        "version": str(version.version),
                        "state": type(version).State.Name(version.state),
                        "status": {
                            "error_code": Code(version.status.error_code).name,
                            "error_message": version.status.error_message,
                        },
                    }
                    for version in response.model_version_status
                ]
            }
        ).encode()

    def _metadata(self, spec: Spec) -> bytes:
        with self._repository.acquire(spec) as servable:
            signatures = json_format.MessageToDict(
                metadata.signatures(servable),
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            about = {
                "name": servable.name,
                "signature_name": "",
                "version": str(servable.version),
            }
        return json.dumps({"model_spec": about, "metadata": {"signature_def": signatures}}).encode()


def _spec(name: str, version: str | None, label: str | None) -> Spec:
    if version is not None and len(version) > _MOST_DIGITS:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return Spec(
        unquote(name),
        None if version is None else int(version),
        None if label is None else unquote(label),
    )


def _signature(servable: Servable, name: str) -> Any:
    name = name or DEFAULT
    if name not in servable.signatures:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    return servable.signatures[name]


def _check_examples(servable: Servable, body: bytes, api: str) -> None:
    document = parse(body)
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {preview(document)} Is not object")
    if "examples" not in document:
        raise invalid(
            f"JSON Value: {preview(document)} When method is classify, key 'examples' is "
            "expected and was not found"
        )
    refuse_examples(_signature(servable, str(document.get("signature_name", ""))), api)


async def _body(request: web.Request) -> bytes:
    """The body, unpacked, no larger than allowed."""
    if (request.content_length or 0) > LARGEST:
        raise web.HTTPRequestEntityTooLarge(LARGEST, request.content_length or 0)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not arrive in time") from None


def _json(request: web.Request, body: bytes, status: int = 200) -> web.Response:
    response = web.Response(body=body, status=status, content_type="application/json")
    if len(body) >= _WORTH_PACKING and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _failed(request: web.Request, status: int, message: str) -> web.Response:
    return _json(request, json.dumps({"error": message}).encode(), status)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error is ``{"error": message}``."""
    try:
        return await handler(request)
    except ServingError as error:
        return _failed(request, error.http, error.message)
    except web.HTTPRequestEntityTooLarge:
        return _failed(request, 413, f"the body is larger than {LARGEST} bytes")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _failed(request, error.status, error.text or error.reason)
    except web.RequestPayloadError:
        return _failed(request, 400, "the body is not what its Content-Encoding says")
    except Exception:  # noqa: BLE001 (logged; a client gets JSON all the same)
        _LOG.exception("%s %s", request.method, request.path)
        return _failed(request, 500, "internal error")


def _guard(check_token: Callable[[str], bool], public: frozenset[str]) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if request.path not in public and not check_token(given):
            response = _failed(request, 401, "a bearer token is required")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return await handler(request)

    return guard


async def _nothing(request: web.Request) -> web.Response:
    return _failed(request, 404, f"Not found: {request.path[:200]}; models are below /v1/models/")
