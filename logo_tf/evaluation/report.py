"""One HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Iterable, Sequence
from string import Template
from typing import Any

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="logo-tf-inputs" content="$digest">
<title>$title</title>
<style>
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8f9; color: #232a30;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .4rem; font-weight: 650; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; font-weight: 650; }
p { margin: .5rem 0; max-width: 46rem; }
.lead { font-size: 1.05rem; color: #45505a; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr);
  gap: .75rem; margin: 1.4rem 0; }
.tile, figure, .table { background: #fff; border: 1px solid #e3e8eb; border-radius: .6rem; }
.tile { padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.2rem; white-space: nowrap; font-weight: 650;
  color: #1f5c88; }
.tile span { font-size: .86rem; color: #5b666f; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
  gap: .9rem; margin: .9rem 0; align-items: start; }
figure { margin: 0; padding: .9rem .9rem .7rem; }
figure svg { width: 100%; height: auto; display: block; }
figure > img { max-width: 100%; height: auto; display: block; }
main > figure { margin: .9rem 0; }
figcaption { font-size: .86rem; color: #5b666f; margin-top: .5rem; }
.strip { display: grid; grid-template-columns: repeat(4, 1fr);
  gap: .5rem; }
.strip div { font-size: .8rem; color: #5b666f; text-align: center; }
.strip img { width: 100%; display: block; border-radius: .35rem; }
.table { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
caption { text-align: left; padding: .7rem .9rem .3rem; font-size: .86rem; color: #5b666f; }
th, td { text-align: left; padding: .4rem .9rem; border-top: 1px solid #eef1f3;
  vertical-align: top; }
thead th { border-top: 0; font-weight: 600; color: #5b666f; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
details { margin: .9rem 0; }
summary { cursor: pointer; color: #1f5c88; padding: .3rem 0; }
@media (max-width: 40rem) { .tiles, .strip { grid-template-columns: repeat(2, 1fr); }
  .tile b { font-size: 1.05rem; } }
@media print { body { background: #fff; } figure, .table, .tile { break-inside: avoid; } }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
""")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot: an ``<svg>`` element and what it shows, in words."""

    svg: str
    caption: str

    def html(self) -> str:
        """Return a ``<figure>``."""
        return f"<figure>{self.svg}<figcaption>{html.escape(self.caption)}</figcaption></figure>"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; columns whose cells are all numbers are set right.

    Attributes:
      columns: headings.
      rows: cells; floats are shown with four digits.
      caption: what it shows.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    def html(self) -> str:
        """Return a ``<table>`` that scrolls by itself where the page is narrow."""
        numeric = [
            bool(self.rows) and all(isinstance(row[i], int | float | None) for row in self.rows)
            for i in range(len(self.columns))
        ]
        kinds = [' class="number"' if number else "" for number in numeric]
        head = "".join(
            f"<th{kind}>{html.escape(column)}</th>"
            for kind, column in zip(kinds, self.columns, strict=True)
        )
        body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in self.rows)
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        return (
            f'<div class="table"><table>{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


@dataclasses.dataclass(frozen=True)
class Strip:
    """Pictures side by side: PNG bytes and a label each."""

    pictures: Sequence[tuple[bytes, str]]
    caption: str

    def html(self) -> str:
        """Return a ``<figure>`` with the pictures inside the page."""
        cells = "".join(
            f"<div>{_image(label, png)}{html.escape(label)}</div>" for png, label in self.pictures
        )
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>"
        return f'<figure><div class="strip">{cells}</div>{caption}</figure>'


@dataclasses.dataclass(frozen=True)
class Picture:
    """A wide picture of its own: the bytes of a PNG or GIF, and how to read it."""

    name: str
    content: bytes
    caption: str

    def html(self) -> str:
        """Return a ``<figure>`` with the picture inside the page."""
        picture = _image(self.name, self.content)
        return f"<figure>{picture}<figcaption>{html.escape(self.caption)}</figcaption></figure>"


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    style: str = ""

    def html(self) -> str:
        """Return a ``<p>``."""
        style = f' class="{self.style}"' if self.style else ""
        return f"<p{style}>{html.escape(self.text)}</p>"


@dataclasses.dataclass(frozen=True)
class Tiles:
    """The few figures to see first: (value, what it is)."""

    tiles: Sequence[tuple[str, str]]

    def html(self) -> str:
        """Return a grid of tiles."""
        cells = "".join(
            f'<div class="tile"><b>{html.escape(value)}</b><span>{html.escape(label)}</span></div>'
            for value, label in self.tiles
        )
        return f'<div class="tiles">{cells}</div>'


@dataclasses.dataclass(frozen=True)
class Folded:
    """A table that opens when asked for."""

    title: str
    table: Table

    def html(self) -> str:
        """Return a ``<details>``."""
        return f"<details><summary>{html.escape(self.title)}</summary>{self.table.html()}</details>"


Block = Figure | Picture | Table | Strip | Text | Tiles | Folded


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands below it; neighbouring figures share a row."""

    title: str
    blocks: Sequence[Block]

    def html(self) -> str:
        """Return the section's HTML."""
        parts: list[str] = [f"<h2>{html.escape(self.title)}</h2>"] if self.title else []
        figures: list[str] = []
        for block in [*self.blocks, None]:
            if isinstance(block, Figure):
                figures.append(block.html())
                continue
            if figures:
                parts.append(f'<div class="figures">{"".join(figures)}</div>')
                figures = []
            if block is not None:
                parts.append(block.html())
        return "\n".join(parts)


def page(title: str, sections: Iterable[Section], digest: str) -> str:
    """Compose the page.

    Args:
      title: its heading.
      sections: from top to bottom.
      digest: of what it was made from; ``page_digest`` reads it back.
    """
    body = "\n".join(section.html() for section in sections)
    return _PAGE.substitute(
        title=html.escape(title), digest=html.escape(digest, quote=True), body=body
    )


def page_digest(text: str) -> str:
    """Return the digest a page was made with, or "" if it is no page of ours."""
    _, _, rest = text.partition('<meta name="logo-tf-inputs" content="')
    return rest.partition('"')[0]


def _image(label: str, content: bytes) -> str:
    kind = "gif" if content.startswith(b"GIF") else "png"
    data = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(label)}" src="data:image/{kind};base64,{data}">'


def _cells(row: Sequence[Any], kinds: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{_cell(value)}</td>" for value, kind in zip(row, kinds, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", " ")
    text = html.escape(str(value))
    # Long words without a space are hashes and paths.
    return f"<code>{text}</code>" if len(text) > 40 and " " not in text else text
