"""Imports of every format: MB a second beside a plain read of the same files, and memory.

    python benchmarks/importing.py [--quick]

Each import and each plain read is a process of its own; the two of a format take turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from foreign_files import make_file
from importing_worker import READERS, ROLES, file_size
from processes import Worker, alternate
from recording import RESULTS, figure, machine, record

_SIZES = (2**26, 2**29)  # bytes of numbers: of a file that is read in turns, and of a large one
_QUICK = (2**19, 2**20)


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--formats", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--threads", type=int, default=2, help="of every worker")
    parser.add_argument("--rounds", type=int, default=7, help="how often each takes its turn")
    parser.add_argument("--folder", type=Path, help="where the files are made and removed")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    sizes = _QUICK if arguments.quick else _SIZES
    rounds = 1 if arguments.quick else arguments.rounds
    where, figures, files = machine(), {}, {}
    for name in arguments.formats:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            small, large = (make_file(name, Path(folder) / str(size), size) for size in sizes)
            files[name] = [file_size(small), file_size(large)]
            figures |= rates(name, small, rounds, arguments.threads)
            figures |= peak(name, large, arguments.threads)
    settings = {
        "bytes of numbers": sizes,
        "bytes of files": files,
        "threads": arguments.threads,
        "rounds": rounds,
    }
    record("importing", where, figures, settings, arguments.results)


def rates(name: str, path: Path, rounds: int, threads: int) -> dict[str, dict]:
    """MB of the file a second, imported and read, and the ratio round by round."""
    with ExitStack() as stack:
        workers = {
            role: stack.enter_context(_worker((role, name, path), threads)) for role in ROLES
        }
        answers = alternate(workers, rounds)
    imported, read = ([one["rate"] for one in answers[role]] for role in ROLES)
    ratios = [ours / plain for ours, plain in zip(imported, read, strict=True)]
    return {
        f"{name}: import": figure(imported, "MB/s"),
        f"{name}: plain read": figure(read, "MB/s"),
        f"{name}: import / plain read": figure(ratios, ""),
        **_memory(name, path, max(one["peak_mib"] for one in answers["import"])),
    }


def peak(name: str, path: Path, threads: int) -> dict[str, dict]:
    """Peak memory of the import of a large file."""
    with _worker(("once", name, path), threads) as worker:
        return _memory(name, path, worker.answer()["peak_mib"])


def _memory(name: str, path: Path, mib: float) -> dict[str, dict]:
    size = file_size(path)
    label = f"{name}, {size / 1e9:.3g} GB"
    return {
        f"{label}: peak memory": figure([mib], "MiB"),
        f"{label}: peak over size": figure([mib * 2**20 / size], ""),
    }


def _worker(words: Sequence[object], threads: int) -> Worker:
    return Worker([sys.executable], "importing_worker.py", list(map(str, words)), threads)


if __name__ == "__main__":
    main()
