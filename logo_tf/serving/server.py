"""The embedded server: one process, both transports, until it is told to stop.

It answers as TensorFlow Serving does, and is not TensorFlow Serving: one event loop in Python
for one machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import signal
from collections.abc import Callable
from pathlib import Path

import grpc
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from logo_tf.errors import LogoError
from logo_tf.serving import page
from logo_tf.serving.access import Tls, Token, TokenInterceptor
from logo_tf.serving.batching_parameters import BatchingParameters
from logo_tf.serving.core import Batched, Core, Direct, Runner
from logo_tf.serving.grpc_service import MODEL, PREDICTION, ModelService, PredictionService
from logo_tf.serving.metrics import Metrics
from logo_tf.serving.repository import Repository
from logo_tf.serving.rest import Services, build_app
from logo_tf.serving.servable import Servable
from logo_tf.serving.settings import Catalogue, Folder, read_config
from logo_tf.serving.tensors import LARGEST
from logo_tf.serving.versions import State

# A message is a little more than the tensors in it.
_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST + 2**20),
    ("grpc.max_send_message_length", -1),
    # Two servers on one port would each get some of the calls.
    ("grpc.so_reuseport", 0),
)


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """How to serve.

    Attributes:
      models: the folder of models; a config's relative paths start there.
      config: a ``models.config``; None serves the latest version of every model in the folder.
      host: the address to listen on.
      rest_port, grpc_port: 0 is any free one.
      batching: joins requests; None runs each alone.
      threads: calls of the graph at a time, without batching.
      poll_seconds: between looks for new versions.
      grace_seconds: what requests have to finish in when the server stops.
      plain: whether SavedModels without ``manifest.json`` are served.
      tls: a certificate; None is no encryption.
      token: that every request must bring; None lets all in.
    """

    models: Path
    config: Path | None = None
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    batching: BatchingParameters | None = BatchingParameters()  # noqa: RUF009 (frozen)
    threads: int = 4
    poll_seconds: float = 1.0
    grace_seconds: float = 10.0
    plain: bool = False
    tls: Tls | None = None
    token: Token | None = None


class Server:
    """A server; ``start`` and ``stop`` belong to one event loop.

    Attributes:
      repository: its models.
      rest_port, grpc_port: where it listens, once started.
    """

    def __init__(self, settings: ServerSettings, say: Callable[[str], None]) -> None:
        """Prepare.

        Args:
          settings: how to serve.
          say: is told, in a line, what comes and goes.

        Raises:
          LogoError: the models, the config or the certificate cannot be read.
        """
        if not settings.models.is_dir():
            raise LogoError(
                f"{settings.models}: no such folder; export a model (logo-tf export RUN --name "
                "NAME), or name another with --models"
            )
        catalogue: Catalogue = Folder(settings.models)
        if settings.config is not None:
            catalogue = read_config(settings.config, settings.models)
        self._settings = settings
        self._ssl = settings.tls.context() if settings.tls else None
        self._metrics = Metrics(lambda: self.repository.names())
        self._runner: Runner = (
            Direct(settings.threads)
            if settings.batching is None
            else Batched(settings.batching, self._metrics)
        )
        self.repository = Repository(catalogue, settings.plain, self._forget, say)
        self.rest_port = self.grpc_port = 0

    async def start(self) -> None:
        """Load what is there, then listen.

        Raises:
          LogoError: an address cannot be listened on.
        """
        try:
            await self.repository.poll()
            core = Core(self._runner, self._metrics)
            await self._start_rest(core)
            try:
                await self._start_grpc(core)
            except BaseException:
                await self._rest.cleanup()
                raise
        except BaseException:
            self._close()
            raise
        seconds = self._settings.poll_seconds
        self._watcher = asyncio.create_task(self.repository.watch(seconds))

    async def stop(self) -> None:
        """Take no more requests, finish those that are there, and end."""
        self._watcher.cancel()
        await self._health.enter_graceful_shutdown()
        await asyncio.gather(self._grpc.stop(self._settings.grace_seconds), self._rest.cleanup())
        self._close()

    def available(self) -> list[str]:
        """The versions that serve, such as ``cheetah 3``."""
        return [
            f"{servable.name} {servable.version}"
            for name in self.repository.names()
            for version in self.repository.versions(name)
            if version.state is State.AVAILABLE and (servable := version.servable)
        ]

    def _close(self) -> None:
        self._runner.close()
        self.repository.close()

    def _forget(self, servable: Servable) -> None:
        self._runner.forget(servable)

    async def _start_rest(self, core: Core) -> None:
        settings = self._settings
        services = Services(core, self.repository, self._metrics)
        check = settings.token.check if settings.token else None
        app = build_app(services, check, page.data(services), page.files())
        self._rest = web.AppRunner(
            app, access_log=None, shutdown_timeout=settings.grace_seconds, keepalive_timeout=75
        )
        await self._rest.setup()
        site = web.TCPSite(self._rest, settings.host, settings.rest_port, ssl_context=self._ssl)
        try:
            await site.start()
        except OSError as error:
            await self._rest.cleanup()
            raise _cannot_listen(settings.host, settings.rest_port, "--rest-port") from error
        self.rest_port = self._rest.addresses[0][1]

    async def _start_grpc(self, core: Core) -> None:
        settings = self._settings
        guards = [TokenInterceptor(settings.token)] if settings.token else []
        server = self._grpc = grpc.aio.server(interceptors=guards, options=_OPTIONS)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(core, self.repository, self._metrics), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self.repository, settings.models), server
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for service in ("", PREDICTION, MODEL):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.grpc_port}"
        try:
            if settings.tls is None:
                self.grpc_port = server.add_insecure_port(address)
            else:
                self.grpc_port = server.add_secure_port(address, settings.tls.credentials())
        except RuntimeError as error:
            raise _cannot_listen(settings.host, settings.grpc_port, "--grpc-port") from error
        await server.start()


async def serve(
    settings: ServerSettings, say: Callable[[str], None], started: Callable[[Server], None]
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
      settings: how.
      say: is told, in a line, what comes and goes.
      started: called once it listens.

    Raises:
      LogoError: as ``Server``.
    """
    server = Server(settings, say)
    await server.start()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    # What is here stays: versions that end are then collected without a look at all of it,
    # for which requests would wait.
    gc.collect()
    gc.freeze()
    try:
        started(server)
        await told.wait()
    finally:
        # A second signal ends it at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        with contextlib.suppress(asyncio.CancelledError):
            await server.stop()


def _cannot_listen(host: str, port: int, option: str) -> LogoError:
    return LogoError(
        f"cannot listen on {host}:{port}; another process may, choose another {option} (0 is any "
        "free one)"
    )
