"""How long ``logo-tf --help`` takes: python benchmarks/startup.py [--quick]."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from recording import RESULTS, figure, machine, record


def main() -> None:
    """Measure fresh processes one after the other, after one that warms the disk cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="3 runs, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    runs = 3 if arguments.quick else arguments.runs
    where = machine()
    command = [sys.executable, "-m", "logo_tf", "--help"]
    bare = [sys.executable, "-c", "pass"]
    seconds(command)
    record(
        "startup",
        where,
        {
            "logo-tf --help": figure([seconds(command) for _ in range(runs)], "s"),
            "python -c pass": figure([seconds(bare) for _ in range(runs)], "s"),
        },
        {"runs": runs, "warm-up runs": 1, "measured command": "python -m logo_tf --help"},
        arguments.results,
    )


def seconds(command: list[str]) -> float:
    """Wall time of a process that must succeed."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
