"""``logo-tf serve``: exported models answer over REST and gRPC."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf.cli.parser import verb
from logo_tf.errors import LogoError

if TYPE_CHECKING:
    from logo_tf.serving.access import Tls, Token
    from logo_tf.serving.batching_parameters import BatchingParameters
    from logo_tf.serving.server import Server

TOKEN = "LOGO_TF_TOKEN"

_EXAMPLES = f"""\
examples:
  logo-tf serve
  logo-tf serve --models saved_models --rest-port 0 --grpc-port 0
  logo-tf serve --config models.config --batching batching_parameters.txt
  {TOKEN}=... logo-tf serve --host 0.0.0.0 --tls-cert server.pem --tls-key server.key

It answers as TensorFlow Serving does, and is not TensorFlow Serving: it is for one machine.
It stops on SIGTERM or Ctrl-C, once it has answered what it was asked."""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(verbs, "serve", run, "serve exported models over REST and gRPC", _EXAMPLES)

    def option(name: str, metavar: str, text: str, **more: Any) -> None:
        parser.add_argument(name, metavar=metavar, help=text, **more)

    option("--models", "DIR", "the model repository (saved_models)", default="saved_models")
    option("--config", "FILE", "a models.config; without it, the latest version of every model")
    option("--host", "ADDRESS", "to listen on (127.0.0.1)", default="127.0.0.1")
    option("--rest-port", "PORT", "0 is any free one (8501)", type=int, default=8501)
    option("--grpc-port", "PORT", "0 is any free one (8500)", type=int, default=8500)
    option(
        "--batching",
        "FILE",
        "a batching_parameters.txt, or off: every request is a call of its own (on, by defaults)",
    )
    option("--poll-seconds", "S", "between looks for new versions (1)", type=float, default=1.0)
    option("--grace-seconds", "S", "to finish requests in at the end (10)", type=float, default=10)
    option("--tls-cert", "FILE", "a certificate, PEM: both ports speak TLS")
    option("--tls-key", "FILE", "its key, PEM")
    option(
        "--token-file",
        "FILE",
        f"holds the token that requests must bring (or set {TOKEN})",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="also serve SavedModels without manifest.json; their ops are checked all the same",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    import asyncio

    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow

    for name in ("rest_port", "grpc_port"):
        if not 0 <= getattr(arguments, name) <= 65535:
            raise LogoError(f"--{name.replace('_', '-')} must be from 0 to 65535")
    if arguments.poll_seconds <= 0 or arguments.grace_seconds < 0:
        raise LogoError("--poll-seconds must be above 0, --grace-seconds at least 0")
    import_tensorflow("logo_tf.serving.server")
    from logo_tf.serving.server import ServerSettings, serve

    settings = ServerSettings(
        models=Path(arguments.models),
        config=Path(arguments.config) if arguments.config else None,
        host=arguments.host,
        rest_port=arguments.rest_port,
        grpc_port=arguments.grpc_port,
        batching=_batching(arguments.batching),
        poll_seconds=arguments.poll_seconds,
        grace_seconds=arguments.grace_seconds,
        plain=arguments.plain,
        tls=_tls(arguments.tls_cert, arguments.tls_key),
        token=_token(arguments.token_file),
    )

    def say(text: str) -> None:
        write_line(text, flush=True)

    def started(server: Server) -> None:
        scheme = "https" if settings.tls else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        say(f"page  {scheme}://{host}:{server.rest_port}/")
        say(f"REST  {scheme}://{host}:{server.rest_port}/v1/models/NAME")
        say(f"gRPC  {host}:{server.grpc_port}")
        if not server.available():
            say(f"nothing serves yet: no model in {settings.models} could be loaded")
        if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.token:
            say("anyone who reaches this address may ask: set a token")

    say("logo-tf serve: an embedded server for one machine. It is not TensorFlow Serving.")
    asyncio.run(serve(settings, say, started))
    say("stopped")
    return 0


def _batching(value: str | None) -> BatchingParameters | None:
    from logo_tf.serving.batching_parameters import BatchingParameters, read_parameters

    if value == "off":
        return None
    return BatchingParameters() if value is None else read_parameters(Path(value))


def _tls(certificate: str | None, key: str | None) -> Tls | None:
    from logo_tf.serving.access import Tls

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise LogoError("--tls-cert and --tls-key go together")
    return Tls(Path(certificate), Path(key))


def _token(file: str | None) -> Token | None:
    from logo_tf.serving.access import Token

    if file is None:
        secret = os.environ.get(TOKEN)
        return None if secret is None else Token(secret)
    try:
        return Token(Path(file).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise LogoError(f"{file}: cannot be read: {error}") from None
