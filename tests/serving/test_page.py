"""The page at the server's ``/``: its files, what it asks for, and who may have them."""

from __future__ import annotations

import configparser
import fnmatch
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from logo_tf.serving import page
from logo_tf.serving.access import Token

STATIC = Path(page.__file__).parent / "static"
FILES = ["", *(f"page/{file.name}" for file in STATIC.iterdir() if file.suffix != ".html")]


@pytest.mark.parametrize("path", FILES)
def test_files_of_the_page(shared: Any, path: str) -> None:
    url = f"{shared.url}/{path}"
    response = requests.get(url, timeout=30)
    assert response.status_code == 200
    assert response.content == (STATIC / (path.partition("/")[2] or "index.html")).read_bytes()
    kinds = {"": "text/html; charset=utf-8", "css": "text/css; charset=utf-8"}
    kinds |= {"js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
    assert response.headers["Content-Type"] == kinds[path.partition(".")[2]]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    head = requests.head(url, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(response.content))
    known = {"If-None-Match": response.headers["ETag"]}
    again = requests.get(url, headers=known, timeout=30)
    assert (again.status_code, again.content) == (304, b"")


def test_nothing_of_the_page_is_elsewhere_or_left_out_of_the_package() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//\w+\.|innerHTML|\son\w+=|style=|<script>", text), file
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).parents[2] / "setup.cfg")
    shipped = settings["options.package_data"]["logo_tf"].split()
    names = [f"serving/static/{file.name}" for file in STATIC.iterdir()]
    assert all(any(fnmatch.fnmatch(name, one) for one in shipped) for name in names)


@pytest.mark.parametrize("path", ["", "page/page.js", "page/models"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_page_is_only_looked_at(shared: Any, method: str, path: str) -> None:
    response = requests.request(method, f"{shared.url}/{path}", timeout=30)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.json() == {"error": f"{method} is not allowed here: GET and HEAD are"}


def test_models_and_their_labels(shared: Any) -> None:
    assert requests.get(f"{shared.url}/page/models", timeout=30).json() == {
        "models": [{"name": "kinds", "labels": {}}, {"name": "times", "labels": {"stable": 1}}]
    }


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("times/versions/9/examples", 404, "Servable not found for request: Specific(times, 9)"),
        ("nobody/versions/1/examples", 404, "Servable not found for request: Specific(nobody, 1)"),
        (f"times/versions/{'9' * 19}/examples", 404, "Not found"),
        ("times/versions/x/examples", 404, "Not found"),
    ],
)
def test_examples_of_what_is_not_there(shared: Any, path: str, status: int, error: str) -> None:
    response = requests.get(f"{shared.url}/page/models/{path}", timeout=30)
    assert response.status_code == status
    assert response.json()["error"].startswith(error)


def test_a_model_without_records_has_no_examples(shared: Any) -> None:
    url = f"{shared.url}/page/models/times/versions/1/examples"
    assert requests.get(url, timeout=30).json() == {"examples": []}


def test_the_page_is_public_and_what_it_shows_is_not(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    private = run_server(models=tmp_path, token=Token("secret"))
    for path in FILES:
        assert requests.get(f"{private.url}/{path}", timeout=30).status_code == 200
    closed = ["page/models", "page/%6dodels", "page/models/x/versions/1/examples", "v1/models/x"]
    for path in [*closed, "page/", "page/none", "page", "monitoring/prometheus/metrics"]:
        response = requests.get(f"{private.url}/{path}", timeout=30)
        assert (response.status_code, path) == (401, path)
    header = {"Authorization": "Bearer secret"}
    response = requests.get(f"{private.url}/page/models", headers=header, timeout=30)
    assert response.json() == {"models": []}
