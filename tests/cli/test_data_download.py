"""``logo-tf data catalogue``, ``download`` and ``unpack``."""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from logo_tf.cli.main import _parser, main
from logo_tf.data import catalogue
from logo_tf.data.transfer import DownloadConfig
from logo_tf.data.unpack import UnpackConfig

VAULT = Path(__file__).parents[1] / "data/formats/fixtures/toy.vlt"


@pytest.fixture
def vault_server(file_server, tmp_path):
    """Serves a zip of a Vault, as OG-MARL packs them."""
    archive = tmp_path / "served.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for part in sorted(VAULT.rglob("*")):
            file.write(part, part.relative_to(VAULT.parent))
    file_server.content = archive.read_bytes()
    return file_server


def test_the_catalogue_as_a_table_and_as_json(capsys):
    assert main(["data", "catalogue"]) == 0
    printed = capsys.readouterr().out
    assert "og_marl/smac_v1/3m" in printed
    assert "neither sizes nor checksums" in " ".join(printed.split())
    assert main(["data", "catalogue", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["datasets"][0]["qualities"] == ["Good", "Medium", "Poor"]
    assert found["sources"][0]["file"] == "og_marl/vault_utils/download_vault.py"


def test_from_a_name_to_a_dataset(vault_server, tmp_path, capsys, monkeypatch):
    known = catalogue.load_catalogue()
    served = dataclasses.replace(known.datasets[0], name="toy/one", url=vault_server.url)
    monkeypatch.setattr(
        catalogue, "load_catalogue", lambda: dataclasses.replace(known, datasets=(served,))
    )
    archive, folder = str(tmp_path / "toy.zip"), str(tmp_path / "toy")
    vault_server.script = [vault_server.cut(30_000)]
    assert main(["data", "download", "toy/one", "--out", archive]) == 0
    digest = hashlib.sha256(vault_server.content).hexdigest()
    printed = capsys.readouterr().out
    assert f"sha256 {digest}" in printed
    assert "was not checked" in printed
    assert f"--sha256 {digest}\nnext: logo-tf data unpack {archive}" in printed
    assert main(["data", "import", archive, "--out", str(tmp_path / "data")]) == 2
    assert f"logo-tf data unpack {archive} --out DIR" in capsys.readouterr().err
    assert main(["data", "unpack", archive, "--out", folder]) == 0
    assert f"{folder}: " in capsys.readouterr().out
    words = ["data", "import", f"{folder}/toy.vlt/Continuous", "--out", str(tmp_path / "data")]
    assert main(words) == 0
    assert "3 episodes" in capsys.readouterr().out


def test_a_checksum_is_checked(vault_server, tmp_path, capsys):
    digest = hashlib.sha256(vault_server.content).hexdigest()
    words = ["data", "download", vault_server.url, "--out", str(tmp_path / "a.zip"), "--sha256"]
    assert main([*words, "0" * 64]) == 2
    assert f"has sha256 {digest}, expected {'0' * 64}" in capsys.readouterr().err
    assert main([*words, digest.upper()]) == 0
    assert "not checked" not in capsys.readouterr().out


def test_a_change_on_the_server_is_told(vault_server, tmp_path, capsys):
    words = ["data", "download", vault_server.url, "--out", str(tmp_path / "a.zip")]
    vault_server.script = [vault_server.cut(30_000)]
    assert main([*words, "--retries", "0"]) == 2
    vault_server.headers = {"ETag": '"two"'}
    assert main(words) == 0
    assert "changed on the server" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["download", "og_marl/smac_v1/4m", "--out", "x"], "did you mean 'og_marl/smac_v1/"),
        (["download", "https://a/b"], "--out"),
        (["download", "https://a/b", "--out", "x", "--max-size", "much"], "such as 500MB or 2GiB"),
        (["download", "https://a/b", "--out", "x", "--timeout", "0"], "a number above 0"),
        (["download", "https://a/b", "--out", "x", "--retries", "-1"], "a whole number"),
        (["unpack", "none.zip", "--out", "x"], "none.zip: no such file"),
    ],
)
def test_what_is_refused(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("7", 7), ("2 K", 2000)]
)
def test_sizes(text, size):
    words = ["data", "unpack", "a.zip", "--out", "a", "--max-size", text]
    assert _parser().parse_exactly(words).max_size == size


def test_defaults_are_those_of_python():
    parsed = vars(_parser().parse_exactly(["data", "download", "https://a/b", "--out", "x"]))
    config = DownloadConfig()
    assert parsed["max_size"] == config.max_bytes
    assert all(parsed[name] == getattr(config, name) for name in ("sha256", "timeout", "retries"))
    parsed = vars(_parser().parse_exactly(["data", "unpack", "a.zip", "--out", "x"]))
    limits = UnpackConfig()
    assert parsed["max_size"] == limits.max_bytes
    assert all(parsed[name] == getattr(limits, name) for name in ("max_members", "max_ratio"))
