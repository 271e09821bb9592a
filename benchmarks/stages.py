"""Seconds per stage of finished runs: python benchmarks/stages.py RUN [RUN ...] [--name NAME]."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from recording import RESULTS, figure, machine, record


def main() -> None:
    """Read each run's ``summary.json``; several runs of one preset give a spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders that logo-tf run left")
    parser.add_argument("--name", default="stages", help="of the result file")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    scenarios, seeds = set(), []
    for run in arguments.runs:
        file = run / "summary.json"
        if not file.is_file():
            sys.exit(f"{file}: no such file; is {run} a finished run?")
        summary = json.loads(file.read_text(encoding="utf-8"))
        scenarios.add(summary["scenario"])
        seeds.append(summary["seed"])
        for stage, seconds in summary["seconds"].items():
            found.setdefault(stage, []).append(float(seconds))
    if len(scenarios) > 1:
        sys.exit(f"the runs are of several scenarios: {', '.join(sorted(scenarios))}")
    record(
        arguments.name,
        machine(),
        {stage: figure(values, "s") for stage, values in found.items()},
        {"scenario": scenarios.pop(), "seeds": seeds, "runs": len(arguments.runs)},
        arguments.results,
    )


if __name__ == "__main__":
    main()
