"""What verbs print: text and tables on standard output, or JSON alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_WIDE = 1000  # no table is


def write_line(text: str, flush: bool = False) -> None:
    """Write one line to standard output, at once if ``flush``."""
    sys.stdout.write(text + "\n")
    if flush:
        sys.stdout.flush()


def write_json(data: Any) -> None:
    """Write JSON to standard output, with nothing around it.

    Raises:
      ValueError: a number is not finite, which JSON cannot hold.
    """
    sys.stdout.write(json.dumps(data, indent=1, allow_nan=False) + "\n")


def write_table(
    columns: Iterable[str], rows: Iterable[Iterable[Any]], title: str | None = None
) -> None:
    """Write a table to standard output."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(_text(cell)) for cell in row))
    write_renderable(table)


def write_renderable(renderable: Any) -> None:
    """Write a rich renderable to standard output; only a terminal's width folds it."""
    from rich.console import Console

    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(file=sys.stdout, width=None if folded else _WIDE).print(renderable)


def write_pairs(pairs: Mapping[str, Any], title: str | None = None) -> None:
    """Write names and values, nested groups as dotted names."""
    write_table(("", ""), _dotted(pairs), title)


def _dotted(pairs: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    if cell is None:
        return "-"
    return str(cell)
