"""What every picture shares: colours, style and how it is written; no global matplotlib state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from numpy.typing import ArrayLike

from logo_tf.disk import guarded

# Told apart in grey and by the colour-blind: Okabe and Ito's palette, softened.
COLOURS = ("#2f6f9f", "#c8702a", "#3d8b6f", "#8a6bb0", "#b0475a", "#7a7a7a")
# Different at every colour, so that lines differ in a second way.
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#9aa3ab"  # what a model is compared with: persistence, a diagonal
INK = "#3b444c"  # what really happened
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6eaed",
    "xtick.color": "#5b646c",
    "ytick.color": "#5b646c",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
DPI = 130


def write_png(
    file: Path, title: str, paint: Callable[[Figure], None], size: tuple[float, float]
) -> Path:
    """Draw a figure into a PNG file.

    Args:
      file: where to; its folder is made if need be.
      title: above everything; says what is good.
      paint: draws on the empty figure.
      size: width and height in inches.

    Returns:
      ``file``.

    Raises:
      LogoError: the disk refuses.
    """
    with matplotlib.rc_context(STYLE), guarded(file):
        figure = new_figure(title, size)
        paint(figure)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=DPI)
    return file


def new_figure(title: str, size: tuple[float, float]) -> Figure:
    """An empty figure that lays itself out, not through pyplot, whose state is global."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def draw_line(axes: Axes, number: int, x: ArrayLike, y: ArrayLike, label: str) -> None:
    """Draw the ``number``-th of several labelled lines, unlike the others in colour and marker."""
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    axes.plot(x, y, color=colour, marker=marker, markersize=4, label=label)


class _PlainLog(LogFormatter):
    """Chooses which ticks to label as matplotlib does, and writes 0.2 for 2e-01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def plain_labels(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: 0.9, not 9 x 10^-1."""
    formatter = _PlainLog(labelOnlyBase=False, minor_thresholds=(1.0, 0.4))
    axis.set_major_formatter(formatter)
    axis.set_minor_formatter(formatter)
    axis.set_tick_params(which="both", length=3, pad=3)  # labels of both stand in one row
