"""Foreign files hold what they were made of, and a plain read reads all of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from logo_tf.data.formats.registry import format_names, recognise
from logo_tf.data.importing import import_dataset


@pytest.fixture(scope="module")
def scripts(benchmark_script):
    names = ("foreign_files", "importing_worker", "random_episodes")
    return [benchmark_script(name) for name in names]


@pytest.mark.parametrize("name", format_names())
def test_every_format_is_made_and_read(scripts, tmp_path: Path, name: str) -> None:
    files, worker, made = scripts
    path = files.make_file(name, tmp_path / "file", 2**19)
    assert recognise(path).name == name
    dataset = import_dataset(name, path, tmp_path / "out")
    assert dataset.rows.bytes == pytest.approx(2**19, rel=0.3)
    assert worker.file_size(path) > 2**18
    assert worker.READERS[name](path) > 0.98 * dataset.rows.bytes
    rng, spec = np.random.default_rng(0), made.CHOICES if name == "pymarl" else made.VECTORS
    limit = spec.episode_limit
    length = rng.integers(limit // 3, limit + 1, 16)[0]
    first, expected = dataset.episode(0), made.random_episode(spec, rng, int(length))
    for field in ("actions", "rewards"):
        np.testing.assert_array_equal(getattr(first, field), getattr(expected, field))
    np.testing.assert_array_equal(first.observations[:-1], expected.observations[:-1])


def test_quick(benchmark_script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """All but the processes: both roles do their work here."""
    importing = benchmark_script("importing")
    worker = benchmark_script("importing_worker")

    class Here:
        def __init__(self, python, script, words, threads) -> None:
            role, name, path = words
            folder = tmp_path / f"{role}-{Path(path).stat().st_size}"
            self._work = worker.portion(role, name, Path(path), folder)

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            pass

        def answer(self):
            return {"peak_mib": 64.0}

        def ask(self):
            return {"rate": 2.0 * self._work(), "peak_mib": 128.0}

    monkeypatch.setattr(importing, "Worker", Here)
    words = ["importing.py", "--quick", "--formats", "omiga", "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    importing.main()
    content = json.loads((tmp_path / "importing.json").read_text())
    figures, (small, large) = content["figures"], content["settings"]["bytes of files"]["omiga"]
    assert content["command"].startswith("python benchmarks/importing.py --quick")
    assert figures["omiga: import"]["median"] == pytest.approx(2 * small / 1e6, rel=1e-3)
    assert figures["omiga: import / plain read"]["values"] == [1.0]
    peaks = [figure["median"] for name, figure in figures.items() if "over size" in name]
    assert peaks == pytest.approx([2**27 / small, 2**26 / large], rel=1e-3)
    assert "omiga: plain read" in capsys.readouterr().out
