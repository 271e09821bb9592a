"""Who may ask, and how the line is kept private: a bearer token and TLS, for both transports."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from logo_tf.errors import LogoError

_HEALTH = "/grpc.health.v1.Health/"


class Token:
    """A secret that every request must bring as ``Authorization: Bearer SECRET``."""

    def __init__(self, secret: str) -> None:
        """Keep it.

        Raises:
          LogoError: it is empty, or no header can hold it.
        """
        if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise LogoError("the token must be printable ASCII without spaces, and not empty")
        self._header = f"Bearer {secret}".encode()

    def check(self, header: str) -> bool:
        """Whether a header holds it; takes as long however much of it is right."""
        return hmac.compare_digest(header.encode(errors="surrogateescape"), self._header)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the token, but for health: probes cannot bring one."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._refusal = grpc.unary_unary_rpc_method_handler(_refuse)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """As grpc's."""
        given = dict(handler_call_details.invocation_metadata or ()).get("authorization", "")
        if handler_call_details.method.startswith(_HEALTH) or self._token.check(str(given)):
            return await continuation(handler_call_details)
        return self._refusal


class Tls(NamedTuple):
    """A certificate chain and its key, PEM files."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For REST.

        Raises:
          LogoError: they cannot be read, or do not belong together.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise LogoError(
                f"{self.certificate}, {self.key}: not a certificate and its key: {error}"
            ) from None
        return context

    def credentials(self) -> Any:
        """For gRPC; ``context`` has found them sound."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials([pair])


async def _refuse(request: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a bearer token is required")
