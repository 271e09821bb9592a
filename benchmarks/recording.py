"""What every benchmark shares: the machine, the versions, medians and spreads, the result file."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("tensorflow", "keras", "tf-keras", "tf-agents", "tensorflow-probability", "numpy")


def figure(values: Sequence[float], unit: str) -> dict[str, Any]:
    """Summarise repeated measurements: the median, and how far they spread.

    Args:
      values: one per repetition.
      unit: of each.

    Returns:
      The median, smallest, largest and all values, rounded to 4 significant digits.
    """
    rounded = [_rounded(value) for value in values]
    return {
        "unit": unit,
        "median": _rounded(statistics.median(values)),
        "min": min(rounded),
        "max": max(rounded),
        "repetitions": len(rounded),
        "values": rounded,
    }


def machine() -> dict[str, Any]:
    """Cores this process may use, the processor, memory, and how busy it was before."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "ram_gib": round(
            int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20, 1
        ),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide speed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found


def record(
    name: str,
    where: Mapping[str, Any],
    figures: Mapping[str, Any],
    settings: Mapping[str, Any],
    results: Path = RESULTS,
) -> Path:
    """Write ``results/NAME.json`` and print the medians.

    Args:
      name: of the benchmark.
      where: ``machine()``, taken before the measurement.
      figures: name -> ``figure(...)``, nested as wanted.
      settings: sizes and counts the figures depend on.
      results: the folder of result files.

    Returns:
      The file.
    """
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"{name}.json"
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    content = {
        "benchmark": name,
        "command": command,
        "settings": dict(settings),
        "figures": dict(figures),
        "machine": dict(where),
        "versions": versions(),
    }
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for label, one in figures.items():
        spread = f"({one['min']:g} to {one['max']:g}, {one['repetitions']} repetitions)"
        print(f"{label:<44} {one['median']:>10g} {one['unit']:<14} {spread}")
    print(file)
    return file


def _first(file: str, key: str) -> str | None:
    path = Path(file)
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return None


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
