"""How long ``make test`` takes: python benchmarks/suite.py, from the repository's root.

Set-up is not counted: run ``make install`` first.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from recording import RESULTS, figure, machine, record


def main() -> None:
    """Run the README's test command once and note its wall time and pytest's own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    where = machine()
    begun = time.perf_counter()
    done = subprocess.run(["make", "test"], stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - begun
    sys.stdout.write(done.stdout)
    closing = re.search(r"(\d+) passed.* in ([\d.]+)s", done.stdout)
    if done.returncode or closing is None:
        sys.exit("make test failed; nothing was recorded")
    figures = {
        "make test": figure([seconds], "s"),
        "of which pytest": figure([float(closing[2])], "s"),
    }
    record("suite", where, figures, {"tests passed": int(closing[1])}, arguments.results)


if __name__ == "__main__":
    main()
