"""Plots as SVG text that can stand inside an HTML page; no global matplotlib state."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from logo_tf.evaluation.canvas import COLOURS, GREY, INK, STYLE, draw_line, plain_labels
from logo_tf.evaluation.returns import shown

_SIZE = (6.0, 3.1)


def draw(name: str, paint: Callable[[Axes], None], size: tuple[float, float] = _SIZE) -> str:
    """Draw one set of axes.

    Args:
      name: makes the ids inside the SVG unlike those of the page's other plots.
      paint: draws on the axes.
      size: width and height in inches.

    Returns:
      An ``<svg>`` element, the same text for the same numbers.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inline(stream.getvalue(), name)


def returns_plot(returns: Mapping[str, Sequence[float]]) -> str:
    """One row a policy: every episode's return as a dot, the mean as a bar."""

    def paint(axes: Axes) -> None:
        largest = max(float(np.max(values)) for values in returns.values())
        rng = np.random.default_rng(0)  # scatter so that dots do not hide each other
        for row, values in enumerate(returns.values()):
            dots = np.asarray(values)
            if len(dots) > 200:
                dots = np.sort(dots)[np.linspace(0, len(dots) - 1, 200).astype(int)]
            height = row + rng.uniform(-0.2, 0.2, len(dots))
            colour = COLOURS[row % len(COLOURS)]
            axes.scatter(dots, height, s=14, alpha=0.45, color=colour, linewidths=0)
            mean = float(np.mean(values))
            axes.plot([mean, mean], [row - 0.33, row + 0.33], color=colour, linewidth=2.5)
            axes.annotate(
                shown(mean, largest),
                (mean, row - 0.36),
                ha="center",
                va="bottom",
                fontsize=9,
                color=INK,
            )
        axes.set_yticks(range(len(returns)), list(returns))
        axes.set_ylim(len(returns) - 0.45, -0.75)
        axes.set_xlabel("return of one episode (bar: mean)")
        axes.grid(axis="y", visible=False)

    return draw("returns", paint, (6.0, 0.75 + 0.6 * len(returns)))


def curves_plot(
    name: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    ylabel: str,
    xlabel: str = "gradient steps",
    logarithmic: bool = False,
    levels: Mapping[str, float] | None = None,
) -> str:
    """Named lines over training steps, and dashed levels to compare them with.

    Args:
      name: of the plot.
      lines: label -> (x, y).
      ylabel: the quantity.
      xlabel: what x counts.
      logarithmic: whether y is drawn on a logarithmic scale.
      levels: label -> height of a dashed horizontal line.
    """

    def paint(axes: Axes) -> None:
        for number, (label, (x, y)) in enumerate(lines.items()):
            marker = "o" if len(x) <= 20 else None
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(x, y, label=label, color=colour, marker=marker, markersize=3.5)
        for number, (label, level) in enumerate((levels or {}).items(), start=len(lines)):
            colour = COLOURS[number % len(COLOURS)]
            axes.axhline(level, label=label, color=colour, linestyle="--", linewidth=1.3)
        if logarithmic and all(np.min(y) > 0 for _, y in lines.values()):
            axes.set_yscale("log")
            plain_labels(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        if len(lines) + len(levels or {}) > 1:
            axes.legend(fontsize=9)

    return draw(name, paint)


def horizon_plot(errors: Mapping[str, Mapping[str, float]]) -> str:
    """k-step open-loop error over k; 1 is the error of persistence.

    Args:
      errors: label -> {horizon: RMSE / RMSE of persistence}.
    """
    return draw("horizon", lambda axes: paint_horizon(axes, errors))


def paint_horizon(axes: Axes, errors: Mapping[str, Mapping[str, float | None]]) -> None:
    """Draw ``horizon_plot`` on given axes; steps that were not measured leave a gap."""
    for number, (label, found) in enumerate(errors.items()):
        values = [math.nan if value is None else value for value in found.values()]
        draw_line(axes, number, [int(k) for k in found], values, label)
    axes.axhline(1.0, color=GREY, linestyle="--", linewidth=1.3, label="persistence")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("steps predicted open loop, under the logged actions")
    axes.set_ylabel("error / error of persistence")
    axes.legend(fontsize=9)


def uncertainty_plot(uncertainty: Sequence[float], error: Sequence[float]) -> str:
    """True one-step error against uncertainty, both averaged within equal shares of the data."""

    def paint(axes: Axes) -> None:
        axes.plot(uncertainty, error, "o-", color=COLOURS[0], ms=4)
        if min(uncertainty) > 0 and min(error) > 0:
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_labels(axes.xaxis)
            plain_labels(axes.yaxis)
        axes.set_xlabel("uncertainty u: how far the model's two paths disagree (Eq. 5)")
        axes.set_ylabel("true one-step error")

    return draw("uncertainty", paint)


def histogram_plot(
    name: str, values: Sequence[float], xlabel: str, ylabel: str = "imagined transitions"
) -> str:
    """How often each value occurs."""

    def paint(axes: Axes) -> None:
        axes.hist(np.asarray(values, np.float64), bins=40, color=COLOURS[0], alpha=0.75)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)

    return draw(name, paint)


def scatter_plot(
    name: str, x: Sequence[float], y: Sequence[float], xlabel: str, ylabel: str
) -> str:
    """One dot a pair, at most 500 of them, the top hundredth of x cut off."""

    def paint(axes: Axes) -> None:
        step = max(1, len(x) // 500)
        across, up = np.asarray(x)[::step], np.asarray(y)[::step]
        shown = across <= np.quantile(across, 0.99)
        axes.scatter(across[shown], up[shown], s=10, alpha=0.5, color=COLOURS[0], linewidths=0)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)

    return draw(name, paint)


def picture_png(pixels: np.ndarray, width: int = 240) -> bytes:
    """Encode a picture as PNG, shrunk by a whole factor to about ``width`` pixels.

    Args:
      pixels: (height, width, 3) uint8.
      width: the width to come near to.
    """
    from matplotlib.image import imsave

    factor = max(1, pixels.shape[1] // width)
    rows, columns = (size // factor * factor for size in pixels.shape[:2])
    blocks = pixels[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor, 3)
    stream = io.BytesIO()
    imsave(stream, np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8), format="png")
    return stream.getvalue()


def _inline(svg: str, name: str) -> str:
    """Strip what only a file of its own needs; what is left names no other document."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    # Groups are named axes_1, text_2 ... in every plot; ids must be unique on a page.
    svg = re.sub(
        r'\sid="(?=(?:figure|axes|matplotlib|patch|text|line2d|xtick|ytick|legend|PathC))',
        f' id="{name}-',
        svg,
    )
    svg = svg.replace("xlink:href", "href")
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1
    )


def as_series(lines: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Take one metric from logged lines: (steps, values), lines without it left out."""
    found = [(line["step"], line[key]) for line in lines if key in line]
    return [step for step, _ in found], [value for _, value in found]
