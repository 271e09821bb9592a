"""``logo-tf experiment``: scenarios x qualities x arms x seeds, and their tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import verb

_EXAMPLES = """\
examples:
  logo-tf experiment examples/experiments/smoke.json --out runs/smoke-experiment
  logo-tf experiment examples/experiments/mamujoco.json --workers 4 --out runs/mamujoco
  logo-tf experiment my.json --engine ray --address auto --out /shared/mine
  logo-tf experiment my.json --out runs/mine --archive evidence/mine

Killed or interrupted, the same command resumes; what is there is not made again, and seeds,
arms or scenarios may be added to the file. A Ray cluster's machines must share the folder. An
archive is an experiment's folder too: --out of it gives the same results and trains nothing, and
what is gone from it is made again where more seeds or arms need it."""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(
        verbs,
        "experiment",
        run,
        "compare ways to learn over scenarios, qualities and seeds",
        _EXAMPLES,
    )
    parser.add_argument("file", metavar="CONFIG", help="a JSON file: examples/experiments has some")
    parser.add_argument("--out", metavar="DIR", required=True, help="where to")
    parser.add_argument(
        "--engine",
        metavar="E",
        choices=("local", "ray"),
        default="local",
        help="local, processes of this machine, or ray (local)",
    )
    parser.add_argument(
        "--workers", metavar="N", type=int, help="jobs at a time on this machine (cores / threads)"
    )
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="threads of a job (1)")
    parser.add_argument(
        "--address", metavar="A", help="of a Ray cluster, such as auto; without it Ray starts here"
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="settings over the file, such as seeds=[0,1]",
    )
    parser.add_argument(
        "--archive",
        metavar="DIR",
        help="where to keep what the results are made from, without datasets and weights",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a cell")


def run(arguments: argparse.Namespace) -> int:
    """Run or resume the experiment and print what came of it."""
    from logo_tf.cli.output import write_json, write_line, write_table
    from logo_tf.errors import LogoError
    from logo_tf.experiments.archive import archive
    from logo_tf.experiments.experiment import experiment
    from logo_tf.experiments.matrix import read_config
    from logo_tf.experiments.results import read_results
    from logo_tf.experiments.results_report import tables, write_results

    config = read_config(arguments.file, arguments.set)
    out = Path(arguments.out).absolute()
    engine = _engine(arguments)
    try:
        failed = experiment(config, out, engine)
    finally:
        engine.close()
    results = read_results(config, out)
    write_results(results, out)
    if arguments.archive is not None:
        archive(config, out, Path(arguments.archive))
    if failed:
        name, outcome = next(iter(failed.items()))
        raise LogoError(
            f"{len(failed)} of the jobs failed, {results.missing} cells are missing; {name}: "
            f"{outcome.last} (see {out / 'logs'}; the same command goes on)"
        )
    if arguments.json:
        write_json([cell._asdict() for cell in results.cells])
        return 0
    for table in tables(results):
        write_table(table.columns, table.rows, title=table.caption)
    for name in ("results.md", "results.csv", "report.html"):
        write_line(str(out / name))
    return 0


def _engine(arguments: argparse.Namespace) -> Any:
    from logo_tf.config import require
    from logo_tf.experiments.engines import LocalEngine, RayEngine

    threads = arguments.threads
    require(threads >= 1, f"--threads must be at least 1, got {threads}")
    require(
        arguments.address is None or arguments.engine == "ray",
        "--address is of a Ray cluster: add --engine ray",
    )
    workers = arguments.workers
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // threads)
    if arguments.engine == "ray":
        return RayEngine(workers, threads, arguments.address)
    return LocalEngine(workers, threads)
