"""``logo-tf model compare``: world models side by side, on the same held-out windows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf.cli.parser import verb

if TYPE_CHECKING:
    from rich.table import Table

    from logo_tf.artifacts import Manifest
    from logo_tf.data.store import Dataset


def add(below: Any) -> None:
    """Add the verb."""
    parser = verb(
        below,
        "compare",
        compare,
        "one table of several world models, judged on the same episodes",
        "example: logo-tf model compare runs/logo runs/mono runs/ensemble --data data/3m",
    )
    parser.add_argument("paths", metavar="RUN", nargs="+", help="the world models")
    parser.add_argument("--data", metavar="DIR", required=True, help="the dataset")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", metavar="FILE", help="write the table as CSV, too")


def compare(arguments: argparse.Namespace) -> int:
    """Judge world models on the episodes that all of their trainings held out."""
    from logo_tf.cli.output import write_json, write_line
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.config import require
    from logo_tf.data.store import load_dataset

    file = Path(arguments.csv) if arguments.csv else None
    require(
        file is None or not (file.is_dir() or file.parent.is_file()),
        f"{file}: --csv takes a file's name, in a folder",
    )
    dataset = load_dataset(arguments.data)
    import_tensorflow("logo_tf.evaluation.comparison")
    from logo_tf.evaluation.comparison import (
        COLUMNS,
        best_runs,
        compare_models,
        held_out_by_all,
        labels_of,
    )

    paths = dict(zip(labels_of(arguments.paths), map(Path, arguments.paths), strict=True))
    manifests = {label: fitting_manifest(path, dataset) for label, path in paths.items()}
    held_out = held_out_by_all(manifests, dataset)
    rows = compare_models(paths, manifests, dataset, held_out.episodes, seed=0)
    best = {column.name: best_runs(rows, column) for column in COLUMNS}
    if file is not None:
        _write_csv(file, rows)
    if arguments.json:
        write_json({"episodes": held_out.said, "models": rows, "best": best})
        return 0
    _write_table(rows, best)
    write_line(
        f"Episodes {held_out.said}. state, obs: RMSE over that of persistence, after k steps. "
        "covered: share of errors below the stated bound. Bold: the best."
    )
    return 0


def fitting_manifest(path: str | Path, dataset: Dataset) -> Manifest:
    """Verify a world model, and that a dataset is of its scenario.

    Raises:
      LogoError: no world model, changed since it was written, or of another spec.
    """
    from logo_tf.artifacts import verify

    manifest = verify(path, "world_model")
    manifest.scenario.require_fits(
        dataset.spec, f"the world model {path}", f"the dataset {dataset.path}"
    )
    return manifest


def _write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    import csv
    import io

    from logo_tf.disk import guarded, write_text

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with guarded(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text.getvalue())


def _write_table(rows: list[dict[str, Any]], best: dict[str, list[str]]) -> None:
    """Models as rows; as columns where the terminal is too narrow for all figures."""
    import sys

    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    from logo_tf.cli.output import write_renderable
    from logo_tf.evaluation.comparison import COLUMNS

    # Continuous actions are all legal, and nothing ends in some scenarios.
    shown = [column for column in COLUMNS if any(row[column.name] is not None for row in rows)]
    cells = [[Text(title) for title in ("run", "kind", *(column.heading for column in shown))]]
    for row in rows:
        figures = [
            Text(_figure(row[c.name]), "bold" if row["run"] in best[c.name] else "") for c in shown
        ]
        cells.append([Text(row["run"]), Text(row["kind"]), *figures])
    console = Console(file=sys.stdout)
    table = _table(cells)
    unbounded = console.options.update(max_width=10_000)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        table = _table([list(column) for column in zip(*cells, strict=True)])
    write_renderable(table)


def _table(cells: list[list[Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="", pad_edge=False, collapse_padding=True)
    for number, heading in enumerate(cells[0]):
        table.add_column(heading, justify="right" if number else "left", no_wrap=number == 0)
    for row in cells[1:]:
        table.add_row(*row)
    return table


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.1e}"
