"""What the benchmarks against mbrl-lib share: its environment, the dataset, the workers."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from processes import Worker
from recording import RESULTS, figure

from logo_tf.data.collect import CollectConfig, collect
from logo_tf.data.store import Dataset, Split, load_dataset

ROOT = Path(__file__).parent.parent
LOGO, WITHOUT, MONOLITHIC, ENSEMBLE = MODELS = (
    "logo",
    "logo-without-encoder",
    "monolithic",
    "ensemble",
)
PEER = "mbrl"
LABELS = {
    LOGO: "LOGO",
    WITHOUT: "LOGO without E_s",
    MONOLITHIC: "monolithic",
    ENSEMBLE: "ensemble of 5",
    PEER: "mbrl ensemble of 7",
}
# mbrl pins releases of the latter two that do not import under Python 3.11.
_INSTALLED = ("torch==2.13.0", "mbrl==0.2.0")
_UPGRADED = ("hydra-core==1.3.2", "omegaconf==2.3.0")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that both benchmarks have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument(
        "--dataset",
        type=Path,
        default=ROOT / "runs" / "benchmark-data",
        help="HalfCheetah-2x3 medium-replay; collected there if it is not yet",
    )
    options.add_argument("--threads", type=int, default=2, help="of every library")
    options.add_argument("--rounds", type=int, default=10, help="how often each takes its turn")
    options.add_argument(
        "--peer-venv", type=Path, default=ROOT / ".peer-venv", help="made if it is not there"
    )
    options.add_argument("--pip", default="", help="options of the peer's pip install, quoted")
    options.add_argument("--quick", action="store_true", help="small, to see that it works")
    options.add_argument("--results", type=Path, default=RESULTS)
    return options


def open_dataset(path: Path) -> Dataset:
    """Open the dataset; collect it first where there is none."""
    return load_dataset(path) if path.exists() else collect(CollectConfig(), path)


def make_environment(folder: Path, options: str) -> Path:
    """Make the peer's virtual environment, unless it is there and whole.

    Args:
      folder: where.
      options: of ``pip install``, as one shell-quoted string.

    Returns:
      Its interpreter.
    """
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join([*_INSTALLED, *_UPGRADED]) + "\n"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    print(f"making the peer's environment in {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    # -E: a PYTHONPATH of ours is none of the peer's.
    install = [str(python), "-E", "-m", "pip", "install", "--quiet", *shlex.split(options)]
    subprocess.run([*install, *_INSTALLED], check=True)
    subprocess.run([*install, "--upgrade", *_UPGRADED], check=True)
    done.write_text(wanted, encoding="utf-8")
    return python


def own(dataset: Dataset, threads: int, role: str, **options: Any) -> Worker:
    """Start a worker of this package."""
    arguments = [role, str(dataset.path), *_flags(options)]
    return Worker([sys.executable], "own_worker.py", arguments, threads)


def peer(python: Path, data: Path, threads: int, role: str, **options: Any) -> Worker:
    """Start a worker in the peer's environment."""
    arguments = [role, str(data), *_flags({"threads": threads, **options})]
    return Worker([str(python), "-E"], "peer_worker.py", arguments, threads)


def export(dataset: Dataset, split: Split, file: Path) -> None:
    """Write what the peer learns: (s, a) -> (s' - s, r), for each part of the split."""
    arrays = {}
    for part, episodes in split._asdict().items():
        rows = dataset.transition_rows(episodes)
        state = dataset.field("state")
        actions = dataset.field("actions")[rows].reshape(len(rows), -1)
        change = state[rows + 1] - state[rows]
        arrays[f"{part}_inputs"] = np.concatenate([state[rows], actions], axis=-1)
        arrays[f"{part}_targets"] = np.concatenate(
            [change, dataset.field("rewards")[rows][:, None]], axis=-1
        )
    np.savez(file, **arrays)


def rates(answers: Sequence[Mapping[str, Any]]) -> list[float]:
    """The rate of each portion."""
    return [answer["rate"] for answer in answers]


def memory(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The peak memory of a worker."""
    return figure([answers[-1]["peak_mib"]], "MiB")


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """Round by round, one over the other."""
    return figure([a / b for a, b in zip(above, below, strict=True)], "x")


def _flags(options: Mapping[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]
