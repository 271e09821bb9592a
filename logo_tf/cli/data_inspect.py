"""``logo-tf data inspect`` and ``verify``: what a dataset holds, and whether it is whole."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf.cli.parser import verb
from logo_tf.errors import LogoError

if TYPE_CHECKING:
    from logo_tf.data.check import Check


def add(below: Any) -> None:
    """Add both verbs to those of ``logo-tf data``."""
    parser = verb(
        below,
        "inspect",
        inspect,
        "statistics of a dataset, pictures, and whether it fits a scenario",
        "example: logo-tf data inspect data/3m --plots plots --against smax/3m",
    )
    parser.add_argument("path", metavar="DIR", help="the dataset")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plots", metavar="DIR", help="write plots (PNG) into this folder")
    parser.add_argument(
        "--against",
        metavar="SCENARIO",
        help="say whether the dataset fits this scenario; exit code 2 if it does not",
    )
    parser.add_argument(
        "--episodes",
        metavar="N",
        type=int,
        default=3,
        help="with --against: play so many at random to compare values with; 0 compares specs (3)",
    )

    parser = verb(
        below,
        "verify",
        verify,
        "read datasets again: every file against its sha256, every episode by the rules of import",
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a dataset, or a folder of datasets"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def inspect(arguments: argparse.Namespace) -> int:
    """Print what a dataset holds; every file is checked against its sha256."""
    from logo_tf.cli.output import write_json, write_line, write_renderable
    from logo_tf.data.statistics import statistics
    from logo_tf.data.store import load_dataset

    dataset = load_dataset(arguments.path)
    # First of all, for a wrong name is to be told before the whole dataset is read.
    checks = _fit(dataset, arguments) if arguments.against else []
    figures = statistics(dataset)
    plots: list[str] = []
    if arguments.plots:
        from logo_tf.data.plots import write_plots

        plots = [str(file) for file in write_plots(dataset, Path(arguments.plots), figures)]
    odd = [check for check in checks if check.verdict == "does not fit"]
    if arguments.json:
        against = {
            "scenario": arguments.against,
            "fits": not odd,
            "checks": [dataclasses.asdict(check) for check in checks],
        }
        write_json(
            {
                "path": str(dataset.path),
                "scenario": dataset.spec.name,
                "hash": dataset.manifest.hash,
                "provenance": dataset.manifest.provenance,
                "statistics": figures.to_dict(),
                "plots": plots,
                "against": against if arguments.against else None,
            }
        )
    else:
        from logo_tf.data.table import statistics_table

        write_renderable(statistics_table(figures))
        write_line(
            f"every file matches its sha256; where it came from: logo-tf show {dataset.path}"
        )
        for plot in plots:
            write_line(f"plot: {plot}")
        _write_checks(checks, arguments.against)
    if odd:
        faults = "; ".join(f"{c.name} ({c.dataset} against {c.scenario})" for c in odd)
        raise LogoError(f"{dataset.path} does not fit {arguments.against}: {faults}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read datasets again, whole."""
    from logo_tf.cli.output import write_json, write_line
    from logo_tf.data.verifying import find_datasets, verify_dataset

    found = []
    for path in find_datasets(arguments.paths):
        verified = verify_dataset(path)
        found.append(verified)
        if arguments.json:
            continue
        if not verified.faults:
            write_line(f"{path}: whole, {verified.files} files, {verified.episodes:,} episodes")
        for fault in verified.faults:
            write_line(f"BROKEN {fault}")
    if arguments.json:
        shown = [dataclasses.asdict(one) | {"path": str(one.path)} for one in found]
        write_json({"whole": not any(one.faults for one in found), "datasets": shown})
    broken = [one for one in found if one.faults]
    if broken:
        count = f"{len(broken)} of {len(found)} datasets broken" if len(found) > 1 else "broken"
        rest = sum(len(one.faults) for one in broken) - 1
        more = f" (and {rest} more)" if rest else ""
        raise LogoError(
            f"{count}: {broken[0].faults[0]}{more}; bring the files back, or make it again"
        )
    return 0


def _fit(dataset: Any, arguments: argparse.Namespace) -> list[Check]:
    from logo_tf.config import require
    from logo_tf.data.fit import check_fit

    require(arguments.episodes >= 0, f"--episodes must be at least 0, got {arguments.episodes}")
    return check_fit(dataset, arguments.against, arguments.episodes)


def _write_checks(checks: list[Check], scenario: str) -> None:
    from logo_tf.cli.output import write_table

    if checks:
        rows = [(check.name, check.verdict, check.dataset, check.scenario) for check in checks]
        write_table(("against", "", "the dataset", scenario), rows, "does it fit?")
