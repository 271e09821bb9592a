"""Pictures of how good a world model is: numbers in, PNG file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from logo_tf.evaluation.canvas import COLOURS, GREY, INK, draw_line, plain_labels, write_png
from logo_tf.evaluation.plots import paint_horizon
from logo_tf.evaluation.trajectories import rank_dimensions, relative_errors
from logo_tf.world_model.judging.ranks import spearman

Curve = Mapping[str, Sequence[Any]]
_PARTS = {"state": "state", "obs": "observations"}
_SHOWN = 12  # dimensions of each end of the ranking
_COLUMNS = 6
_DOTS = 1000
_BINS = 12


def draw_curves(file: Path, curves: Mapping[str, Curve]) -> Path:
    """k-step errors of states and observations: over persistence's, and in standard deviations.

    Args:
      file: the PNG to write.
      curves: label -> ``curve`` of ``evaluate_model``; the first is of the model in question.
    """

    def paint(figure: Figure) -> None:
        panels = figure.subplots(2, 2, sharex=True)
        for (relative, absolute), (part, what) in zip(panels, _PARTS.items(), strict=True):
            paint_horizon(
                relative,
                {
                    label: dict(zip(map(str, curve["step"]), curve[f"{part}_nrmse"], strict=True))
                    for label, curve in curves.items()
                },
            )
            relative.set(title=f"{what}: error over that of persistence")
            for number, (label, curve) in enumerate(curves.items()):
                draw_line(absolute, number, curve["step"], _numbers(curve[f"{part}_rmse"]), label)
            first = next(iter(curves.values()))
            persistence = _numbers(first[f"{part}_rmse"]) / _numbers(first[f"{part}_nrmse"])
            absolute.plot(first["step"], persistence, "--", color=GREY, linewidth=1.3)
            absolute.set(title=f"{what}: error in standard deviations", ylabel="RMSE")
            absolute.set_ylim(bottom=0.0)
            absolute.set_xlabel(relative.get_xlabel())
        for axes in panels[0]:
            axes.set_xlabel("")
        panels[1, 0].get_legend().remove()

    title = "Open-loop error: lower is better; on the dashed line, as bad as 'nothing changes'"
    return write_png(file, title, paint, (11.0, 6.4))


def draw_dimensions(
    file: Path, predicted: np.ndarray, true: np.ndarray, dims: Sequence[int] | np.ndarray, step: int
) -> Path:
    """Predicted against true change of each state dimension: the worst 12 and the best 12.

    Args:
      file: the PNG to write.
      predicted: (M, D) predicted changes, in standard deviations.
      true: (M, D) true changes.
      dims: (D,) the dimensions' numbers.
      step: after how many steps.
    """
    errors = relative_errors(predicted, true)
    ranked = rank_dimensions(errors)
    groups = {f"all {len(ranked)} dimensions, worst first": ranked}
    if len(ranked) > 2 * _SHOWN:
        groups = {
            f"the worst {_SHOWN} of {len(ranked)} dimensions": ranked[:_SHOWN],
            f"the best {_SHOWN}": ranked[-_SHOWN:],
        }

    def paint(figure: Figure) -> None:
        heights = [-(-len(group) // _COLUMNS) for group in groups.values()]
        parts = figure.subfigures(len(groups), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, height, (name, group) in zip(parts, heights, groups.items(), strict=True):
            part.suptitle(name, x=0.01, ha="left", fontsize=10, fontweight="normal")
            panels = part.subplots(height, _COLUMNS, squeeze=False).ravel()
            for axes in panels[len(group) :]:
                axes.set_axis_off()
            for axes, place in zip(panels, group, strict=False):
                _against(axes, predicted[:, place], true[:, place])
                axes.set_title(f"state {dims[place]}\n{_share(errors[place])}", fontsize=9)
            part.supxlabel("true change, in standard deviations", fontsize=9)
            part.supylabel("predicted change", fontsize=9)

    rows = sum(-(-len(group) // _COLUMNS) for group in groups.values())
    after = "one step" if step == 1 else f"{step} open-loop steps"
    title = f"Change of the state after {after}: dots on the diagonal are right"
    return write_png(file, title, paint, (12.0, 0.7 + 0.4 * len(groups) + 1.9 * rows))


def draw_agents(
    file: Path, errors: Mapping[str, Sequence[float | None]], names: Sequence[str]
) -> Path:
    """Observation error of each agent after some numbers of steps, as bars.

    Args:
      file: the PNG to write.
      errors: k -> error in standard deviations, one number an agent.
      names: of the agents.
    """

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        width = 0.8 / len(errors)
        for number, (k, values) in enumerate(errors.items()):
            places = np.arange(len(names)) + (number - (len(errors) - 1) / 2) * width
            label = f"after {k} step{'s' if k != '1' else ''}"
            bars = axes.bar(
                places,
                np.nan_to_num(_numbers(values)),
                0.92 * width,
                color=COLOURS[number % len(COLOURS)],
                label=label,
            )
            if len(names) <= 8:
                axes.bar_label(bars, fmt="%.2f", fontsize=8, color=INK, padding=1)
        axes.set_xticks(range(len(names)), names, rotation=0 if len(names) <= 8 else 60)
        axes.set_ylabel("RMSE, in standard deviations")
        axes.grid(axis="x", visible=False)
        figure.legend(loc="outside lower left", ncols=len(errors), fontsize=9)

    title = "Observation error of each agent: low and even is good"
    return write_png(file, title, paint, (float(np.clip(3 + 1.2 * len(names), 6.5, 16)), 3.8))


def draw_uncertainty(file: Path, steps: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> Path:
    """True error against the uncertainty that the model gave, after some numbers of steps.

    Args:
      file: the PNG to write.
      steps: k -> ((M,) uncertainty, (M,) true error of the state).
    """

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(steps), squeeze=False)[0]
        for axes, (k, (uncertainty, error)) in zip(panels, steps.items(), strict=True):
            rank = spearman(uncertainty, error)
            said = "u never varies" if rank is None else f"Spearman {rank:.2f}"
            axes.set_title(f"after {k} step{'s' if k > 1 else ''}: {said}")
            axes.set_xlabel("uncertainty u of the step")
            axes.set_ylabel("true error of the state (std)")
            if rank is not None:
                _density(axes, uncertainty, error)
        handles, labels = panels[0].get_legend_handles_labels()
        note = "darker: more transitions (logarithmic)"
        figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=9, title=note)

    title = "Uncertainty against true error: a rising median means that u knows"
    return write_png(file, title, paint, (5.6 * len(steps), 4.2))


def draw_calibration(
    file: Path, reliability: Mapping[str, Any], coverage: Mapping[str, Any] | None
) -> Path:
    """Promised against observed coverage: of predicted sigmas and of conformal bounds.

    Args:
      file: the PNG to write.
      reliability: of ``evaluate_model``.
      coverage: of ``evaluate_model``; None where the model has no calibration.
    """
    bounds = reliability["conformal"]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 3 if bounds else 1, squeeze=False)[0]
        for axes in panels[:2]:
            axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.3, label="exactly as promised")
            axes.set(xlabel="promised share", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
        panels[0].set(title="one step, inside predicted sigmas", ylabel="share really inside")
        for number, part in enumerate(("state", "observations")):
            observed = _numbers(reliability[part])
            draw_line(panels[0], number, reliability["nominal"], observed, part)
        if bounds:
            panels[1].set(title="state error below its bound", ylabel="share really below")
            for number, (k, shares) in enumerate(_ends(bounds)):
                label = f"after {k} step{'s' if k != '1' else ''}"
                draw_line(panels[1], number, bounds["nominal"], _numbers(shares), label)
        for axes in panels[:2]:
            axes.legend(fontsize=9, loc="upper left")
        if coverage:
            _coverage(panels[2], coverage)

    title = "Calibration: on the dashed line is honest, below it too sure, above it too cautious"
    return write_png(file, title, paint, (13.5 if bounds else 7.0, 4.6))


def _ends(bounds: Mapping[str, Sequence[float | None]]) -> list[tuple[str, Sequence[float | None]]]:
    """The first, a middle and the last step of a calibration's bounds."""
    steps = [(k, shares) for k, shares in bounds.items() if k != "nominal"]
    return [steps[i] for i in sorted({0, (len(steps) - 1) // 2, len(steps) - 1})]


def _coverage(axes: Axes, coverage: Mapping[str, Any]) -> None:
    """Observed coverage of the stated bound at each step, with the spread over episodes."""
    stated = coverage["nominal"]
    axes.axhline(stated, color=GREY, linestyle="--", linewidth=1.3, label=f"promised: {stated:g}")
    axes.fill_between(
        coverage["step"],
        coverage["low"],
        coverage["high"],
        color=COLOURS[0],
        alpha=0.2,
        linewidth=0,
        label=f"90 % over {coverage['episodes']} episodes",
    )
    draw_line(axes, 0, coverage["step"], coverage["coverage"], "observed")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    lowest = min(0.6, *coverage["low"])
    axes.set(title=f"the {stated:g} bound at each step", xlabel="open-loop step")
    axes.set(ylabel="share really below", ylim=(lowest - 0.05, 1.02))
    axes.legend(fontsize=9, loc="lower left")


def _against(axes: Axes, predicted: np.ndarray, true: np.ndarray) -> None:
    every = max(1, len(true) // _DOTS)
    axes.scatter(true[::every], predicted[::every], s=5, alpha=0.35, color=COLOURS[0], linewidths=0)
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=0.8)
    ticks = MaxNLocator(4).tick_values(*limits)[1:-1]
    axes.set(xticks=ticks, yticks=ticks, xlim=limits, ylim=limits, aspect="equal")
    axes.tick_params(labelsize=7)


def _density(axes: Axes, uncertainty: np.ndarray, error: np.ndarray) -> None:
    """Hexagons by count, and median and quartiles of the error within equal shares of u."""
    positive = (uncertainty > 0) & (error > 0)
    x, y = uncertainty[positive], error[positive]
    pale = ListedColormap(colormaps["Greys"](np.linspace(0.12, 0.6, 64)))
    axes.hexbin(
        x,
        y,
        gridsize=(30, 20),
        xscale="log",
        yscale="log",
        bins="log",
        mincnt=1,
        cmap=pale,
        linewidths=0,
    )
    parts = [part for part in np.array_split(np.argsort(x, kind="stable"), _BINS) if len(part)]
    middle = [float(np.median(x[part])) for part in parts]
    lower, median, upper = np.array([np.quantile(y[part], (0.25, 0.5, 0.75)) for part in parts]).T
    axes.plot(middle, median, "o-", color=COLOURS[1], ms=4, label="median error")
    axes.plot(middle, lower, ":", color=COLOURS[1], label="quartiles")
    axes.plot(middle, upper, ":", color=COLOURS[1])
    plain_labels(axes.xaxis)
    plain_labels(axes.yaxis)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def _share(error: float) -> str:
    """NRMSE and the R² that follows from it: both compare with predicting no change."""
    if np.isnan(error):
        return "never changes"
    return f"NRMSE {error:.2f}, R² {1 - error**2:.2f}"
