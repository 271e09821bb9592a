"""Aggregated scores as pictures for the report of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from logo_tf.evaluation.aggregation import Estimate, Profile
from logo_tf.evaluation.canvas import COLOURS, GREY
from logo_tf.evaluation.plots import draw


def intervals_plot(
    name: str,
    estimates: Mapping[str, Estimate],
    arms: Sequence[str],
    xlabel: str,
    level: float | None = None,
) -> str:
    """One row an arm: its interval as a bar, its value as a line in it.

    Args:
      name: of the plot.
      estimates: arm -> value and interval.
      arms: all of the experiment's, so that each has the same colour in every plot.
      xlabel: the quantity.
      level: where a dashed vertical line stands, to compare with.
    """

    def paint(axes: Axes) -> None:
        for row, (arm, (value, low, high)) in enumerate(estimates.items()):
            colour = COLOURS[arms.index(arm) % len(COLOURS)]
            axes.barh(row, high - low, left=low, height=0.55, color=colour, alpha=0.35)
            axes.plot([value, value], [row - 0.28, row + 0.28], color=colour, linewidth=2.5)
        if level is not None:
            axes.axvline(level, color=GREY, linestyle="--", linewidth=1.3)
        axes.set_yticks(range(len(estimates)), list(estimates))
        axes.set_ylim(len(estimates) - 0.4, -0.6)
        axes.use_sticky_edges = False  # or a bar's end is the axes' end
        axes.margins(x=0.04)
        axes.set_xlabel(xlabel)
        axes.grid(axis="y", visible=False)

    return draw(name, paint, (6.0, 0.8 + 0.45 * len(estimates)))


def profiles_plot(profiles: Mapping[str, Profile]) -> str:
    """The share of runs above each score, one line an arm, its interval as a band."""

    def paint(axes: Axes) -> None:
        for number, (label, profile) in enumerate(profiles.items()):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(profile.thresholds, profile.share, color=colour, label=label)
            axes.fill_between(
                profile.thresholds, profile.low, profile.high, color=colour, alpha=0.15, linewidth=0
            )
        axes.set_xlabel("score: 0 is random actions, 100 the expert")
        axes.set_ylabel("share of runs above it")
        axes.set_ylim(-0.02, 1.02)
        axes.legend(fontsize=9)

    return draw("profiles", paint)
