"""Requests over REST: JSON in columns, and dtypes from the model's metadata."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import requests
import tensorflow as tf
import urllib3

from logo_tf.serving.status import HTTP, Code, ServingError
from logo_tf.serving.versions import Spec

if TYPE_CHECKING:
    from logo_tf.serving.client import ClientConfig

_PORTION = 2**16
# Several codes share a status; the plainest of them, as REST does not say which it was.
_CODES = {status: code for code, status in reversed(HTTP.items())} | {
    408: Code.DEADLINE_EXCEEDED,
    413: Code.INVALID_ARGUMENT,
    499: Code.CANCELLED,
    502: Code.UNAVAILABLE,
}


class RestTransport:
    """A ``Transport`` over HTTP."""

    def __init__(self, address: str, config: ClientConfig) -> None:
        self._address = address
        self._config = config
        self._session = requests.Session()
        self._session.trust_env = False
        if config.certificate is not None:
            self._session.verify = str(config.certificate)
        if config.token is not None:
            self._session.headers["Authorization"] = f"Bearer {config.token}"
        self._dtypes: dict[tuple[Spec, str], dict[str, np.dtype]] = {}

    def predict(
        self, spec: Spec, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """As ``Transport``."""
        dtypes = self._output_dtypes(spec, signature)
        columns = {name: _column(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        answer = self._ask("POST", f"{_path(spec)}:predict", body.encode())
        try:
            outputs = answer["outputs"]
            # A single output comes without its name.
            if len(dtypes) == 1 and not (isinstance(outputs, dict) and set(outputs) == set(dtypes)):
                outputs = {next(iter(dtypes)): outputs}
            return {name: _array(outputs[name], dtype) for name, dtype in dtypes.items()}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            del self._dtypes[spec, signature]  # it may be another version's by now
            raise _lost(f"outputs that its signature does not have: {error!r}") from None

    def states(self, spec: Spec) -> dict[int, str]:
        """As ``Transport``."""
        answer = self._ask("GET", _path(spec))
        try:
            return {int(one["version"]): one["state"] for one in answer["model_version_status"]}
        except (KeyError, TypeError, ValueError) as error:
            raise _lost(f"no status: {error!r}") from None

    def close(self) -> None:
        """As ``Transport``."""
        self._session.close()

    def _output_dtypes(self, spec: Spec, signature: str) -> dict[str, np.dtype]:
        """Of a signature's outputs, asked once: a model keeps its signatures over versions."""
        if (spec, signature) not in self._dtypes:
            answer = self._ask("GET", f"{_path(spec)}/metadata")
            try:
                signatures = answer["metadata"]["signature_def"]["signature_def"]
                if signature not in signatures:
                    raise ServingError(
                        Code.INVALID_ARGUMENT,
                        f'Serving signature name: "{signature}" not found in signature def',
                    )
                outputs = signatures[signature]["outputs"]
                self._dtypes[spec, signature] = {
                    name: tf.as_dtype(_dtype(info["dtype"])).as_numpy_dtype
                    for name, info in outputs.items()
                }
            except (KeyError, TypeError, AttributeError) as error:
                raise _lost(f"no metadata: {error!r}") from None
        return self._dtypes[spec, signature]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """One request, over within ``timeout``; its answer's JSON object."""
        until = time.monotonic() + self._config.timeout
        url = f"{self._address}/v1/models/{path}"
        try:
            with self._session.request(
                method, url, data=body, timeout=self._left(until), stream=True,
                allow_redirects=False,
            ) as response:  # fmt: skip
                content = self._content(response, until)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise _late(self._config.timeout) from None
        except requests.exceptions.SSLError as error:
            raise ServingError(Code.UNAUTHENTICATED, f"{self._address}: {error}") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ServingError(Code.UNAVAILABLE, f"{self._address}: {error}") from None
        return _document(response.status_code, content)

    def _content(self, response: requests.Response, until: float) -> bytes:
        """The body, whose portions may come one by one but not for ever."""
        parts, size = [], 0
        # What has come so far: ``iter_content`` would wait until a portion is full.
        while part := response.raw.read1(_PORTION, decode_content=True):
            size += len(part)
            if size > self._config.largest:
                raise _lost(f"more than {self._config.largest} bytes")
            self._left(until)
            parts.append(part)
        return b"".join(parts)

    def _left(self, until: float) -> float:
        left = until - time.monotonic()
        if left <= 0:
            raise _late(self._config.timeout)
        return left


def _path(spec: Spec) -> str:
    path = quote(spec.name, safe="")
    if spec.version is not None:
        return f"{path}/versions/{spec.version}"
    return path if spec.label is None else f"{path}/labels/{quote(spec.label, safe='')}"


def _column(value: np.ndarray) -> Any:
    if value.dtype.kind not in "SUO":
        return value.tolist()
    return np.vectorize(_text, otypes=[object])(value).tolist()


def _text(value: Any) -> Any:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)


def _array(values: Any, dtype: Any) -> np.ndarray:
    found = np.asarray(values)
    if np.dtype(dtype).kind != "O" and found.dtype.kind not in "bif" and found.size:
        raise ValueError(f"{found.dtype} instead of {np.dtype(dtype)}")
    return found.astype(dtype)


def _dtype(name: str) -> str:
    """``DT_FLOAT`` -> what TensorFlow takes."""
    from tensorflow.core.framework import types_pb2

    return types_pb2.DataType.Value(name)


def _document(status: int, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if status == 200:
        if not isinstance(document, dict):
            raise _lost("no JSON object")
        return document
    told = document.get("error") if isinstance(document, dict) else None
    code = _CODES.get(status, Code.INTERNAL if status >= 500 else Code.UNKNOWN)
    raise ServingError(code, str(told) if told else f"HTTP status {status}")


def _lost(what: str) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"the server answered with {what}")


def _late(seconds: float) -> ServingError:
    return ServingError(Code.DEADLINE_EXCEEDED, f"no answer within {seconds:g} s")
