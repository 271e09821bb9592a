"""``logo-tf serve``: started, asked and stopped in this process; options that are refused."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from logo_tf.cli.main import main


def test_it_says_where_it_listens_and_stops_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    found: dict[str, Any] = {}

    def ask() -> None:
        while "gRPC" not in "".join(said):
            time.sleep(0.05)
            said.append(capsys.readouterr().out)
        url = re.search(r"http://127\.0\.0\.1:\d+/v1/models/", "".join(said))
        assert url
        found["answer"] = requests.get(url[0] + "none", timeout=30)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    arguments = ["serve", "--models", str(tmp_path), "--rest-port", "0", "--grpc-port", "0"]
    assert main(arguments) == 0
    asking.join()
    text = "".join(said) + capsys.readouterr().out
    assert found["answer"].json() == {"error": "Could not find any versions of model none"}
    assert text.splitlines()[0].endswith("It is not TensorFlow Serving.")
    assert re.search(r"^page  http://127\.0\.0\.1:\d+/$", text, re.MULTILINE)
    assert f"nothing serves yet: no model in {tmp_path} could be loaded" in text
    assert text.splitlines()[-1] == "stopped"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "nowhere"], "nowhere: no such folder; export a model"),
        (["--rest-port", "70000"], "--rest-port must be from 0 to 65535"),
        (["--poll-seconds", "0"], "--poll-seconds must be above 0"),
        (["--tls-cert", "x.pem"], "--tls-cert and --tls-key go together"),
        (["--token-file", "nowhere"], "nowhere: cannot be read"),
        (["--batching", "nowhere"], "nowhere: cannot be read"),
        (["--config", "nowhere"], "nowhere: cannot be read"),
    ],
)
def test_what_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [] if "--models" in options else ["--models", str(tmp_path)]
    assert main(["serve", *models, *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_token_comes_from_a_file_or_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGO_TF_TOKEN", "")
    assert main(["serve", "--models", str(tmp_path)]) == 2
    (tmp_path / "token").write_text("two words\n", encoding="utf-8")
    assert main(["serve", "--models", str(tmp_path), "--token-file", str(tmp_path / "token")]) == 2
    assert capsys.readouterr().err.count("the token must be printable ASCII") == 2
