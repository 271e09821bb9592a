"""A client of served models: of this package's server, and of TensorFlow Serving.

``Client("http://host:8501")`` speaks REST, ``Client("grpc://host:8500")`` gRPC, ``https`` and
``grpcs`` the same over TLS; what is asked and answered is alike.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import numpy as np

from logo_tf.config import require
from logo_tf.serving.servable import DEFAULT
from logo_tf.serving.status import Code, ServingError
from logo_tf.serving.versions import Spec

# A prediction changes nothing, so it may be asked again, where asking again can help.
_WORTH_ASKING_AGAIN = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
_PAUSE = 0.1  # seconds before the second try; twice as long before each further one

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ClientConfig:
    """How a server is asked.

    Attributes:
      timeout: seconds that a try may take, from the first byte sent to the last received.
      tries: how often a request is made that fails with UNAVAILABLE or DEADLINE_EXCEEDED.
      token: brought as ``Authorization: Bearer TOKEN``.
      certificate: a PEM file of those who may vouch for the server; None is the system's.
      largest: bytes that an answer may have.
    """

    timeout: float = 10.0
    tries: int = 3
    token: str | None = None
    certificate: Path | None = None
    largest: int = 256 * 2**20

    def __post_init__(self) -> None:
        require(self.timeout > 0, f"client: timeout must be above 0, got {self.timeout}")
        require(self.tries >= 1, f"client: tries must be at least 1, got {self.tries}")


class Transport(Protocol):
    """How requests travel; every call is one try."""

    def predict(
        self, spec: Spec, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Ask a signature.

        Raises:
          ServingError: whatever went wrong, here, on the way or there.
        """

    def states(self, spec: Spec) -> dict[int, str]:
        """Version -> state of a model.

        Raises:
          ServingError: as ``predict``.
        """

    def close(self) -> None:
        """Let connections go."""


class Client:
    """Asks served models: NumPy in, NumPy out. One for each thread."""

    def __init__(self, address: str, config: ClientConfig | None = None) -> None:
        """Connect, at the first request.

        Args:
          address: such as ``http://127.0.0.1:8501`` or ``grpc://127.0.0.1:8500``.
          config: how to ask.

        Raises:
          LogoError: the address or the certificate is not one.
        """
        self._config = config or ClientConfig()
        self._transport = _transport(address, self._config)
        self._random = random.Random()

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        signature: str = DEFAULT,
        version: int | None = None,
        label: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Ask a signature.

        Args:
          model: its name.
          inputs: name -> what NumPy can make an array of.
          signature: its key.
          version: a certain one; the latest by default.
          label: or that of a label, such as ``stable``.

        Returns:
          Every output by name, in the signature's dtypes.

        Raises:
          ServingError: ``code`` says why: INVALID_ARGUMENT, NOT_FOUND, UNAUTHENTICATED and the
            like are the server's answer; UNAVAILABLE, it cannot be reached; DEADLINE_EXCEEDED;
            DATA_LOSS, what came is not an answer. The last one, where it was asked again.
        """
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        spec = Spec(model, version, label)
        return self._try(lambda: self._transport.predict(spec, signature, arrays))

    def states(self, model: str) -> dict[int, str]:
        """Version -> state of a model, such as AVAILABLE.

        Raises:
          ServingError: as ``predict``.
        """
        return self._try(lambda: self._transport.states(Spec(model)))

    def close(self) -> None:
        """Let connections go."""
        self._transport.close()

    def __enter__(self) -> Self:
        """The client itself, closed in the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _try(self, ask: Callable[[], T]) -> T:
        for number in range(1, self._config.tries + 1):
            try:
                return ask()
            except ServingError as error:
                if error.code not in _WORTH_ASKING_AGAIN or number == self._config.tries:
                    raise
                # Many clients that lost one server should not all come back at once.
                time.sleep(_PAUSE * 2 ** (number - 1) * self._random.uniform(0.5, 1.5))
        raise AssertionError


def _transport(address: str, config: ClientConfig) -> Transport:
    parts = urlsplit(address)
    known = ("http", "https", "grpc", "grpcs")
    require(
        parts.scheme in known and bool(parts.hostname) and parts.path in ("", "/"),
        f"{address}: not the address of a server, such as http://127.0.0.1:8501 or "
        "grpc://127.0.0.1:8500",
    )
    require(
        config.certificate is None or config.certificate.is_file(),
        f"{config.certificate}: there is no such certificate",
    )
    if parts.scheme in ("http", "https"):
        from logo_tf.serving.rest_transport import RestTransport

        return RestTransport(address.rstrip("/"), config)
    from logo_tf.serving.grpc_transport import GrpcTransport

    return GrpcTransport(parts.netloc, parts.scheme == "grpcs", config)
