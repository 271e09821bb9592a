"""The page at ``/``: what is served, how fast it answers, and a form that imagines.

What it shows it asks for as any client would: states and signatures below ``/v1``, figures of
Prometheus. Two things that TensorFlow Serving does not tell stand below ``/page``, and only
there: which models there are, and requests that a version can answer. The files of the page
hold no data, so they need no token; all that they ask for does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from logo_tf.serving import json_codec
from logo_tf.serving.rest import Handler, Services
from logo_tf.serving.versions import Spec

_FOLDER = Path(__file__).parent / "static"
_INDEX = "index.html"
# Said here, not guessed: what a suffix means differs from machine to machine.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    # Nothing of elsewhere, no code but the files, and no text that becomes code.
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def files() -> list[web.RouteDef]:
    """The page itself, the same for everybody."""
    found = [_get("/", _file(_FOLDER / _INDEX))]
    for file in sorted(_FOLDER.iterdir()):
        if file.name != _INDEX:
            found.append(_get(f"/page/{file.name}", _file(file)))
    return [route for routes in found for route in routes]


def data(services: Services) -> list[web.RouteDef]:
    """What the page asks for and ``/v1`` has not."""
    repository = services.repository

    async def models(request: web.Request) -> web.Response:
        """``{"models": [{"name": "cheetah", "labels": {"stable": 1}}]}``."""
        names = repository.names()
        known = [{"name": name, "labels": repository.labels(name)} for name in names]
        return web.json_response({"models": known})

    async def examples(request: web.Request) -> web.Response:
        """``{"examples": [...]}``, each the body of a predict request."""
        spec = Spec(request.match_info["name"], int(request.match_info["version"]))
        with repository.acquire(spec) as servable:
            known: list[dict[str, Any]] = [
                {"signature_name": name, "inputs": json_codec.lists(inputs)}
                for name, inputs in servable.examples.items()
            ]
        return web.json_response({"examples": known})

    return [
        *_get("/page/models", models),
        *_get(r"/page/models/{name}/versions/{version:\d{1,18}}/examples", examples),
    ]


def _file(file: Path) -> Handler:
    headers = {**_HEADERS, "Content-Type": _TYPES[file.suffix]}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers=headers)

    return answer


def _get(path: str, handler: Handler) -> list[web.RouteDef]:
    """GET and HEAD of a path, and a refusal of the rest."""
    return [web.get(path, handler), web.route("*", path, _not_allowed)]


async def _not_allowed(request: web.Request) -> web.Response:
    text = f"{request.method} is not allowed here: GET and HEAD are"
    return web.json_response({"error": text}, status=405, headers={"Allow": "GET, HEAD"})
