"""Pictures of a dataset: returns, lengths, actions, states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from logo_tf.data.coverage import standardised_states
from logo_tf.data.statistics import Statistics, standardisation, statistics
from logo_tf.data.steps import steps_of
from logo_tf.data.store import Dataset
from logo_tf.disk import guarded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS = 40  # of an action's range
_BLUE, _GREY, _ORANGE = "#2b6cb0", "#718096", "#c05621"
_STYLE: dict[str, Any] = {
    "font.size": 10,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "legend.frameon": False,
}


def write_plots(dataset: Dataset, out: str | Path, figures: Statistics | None = None) -> list[Path]:
    """Draw PNG files: ``returns.png``, ``lengths.png``, ``actions.png``, ``states.png``.

    Args:
      dataset: what to draw.
      out: the folder to write to; made if need be, files of these names are replaced.
      figures: of ``statistics``, if they are at hand already.

    Returns:
      The files, as written.

    Raises:
      LogoError: the disk refuses.
    """
    import matplotlib

    figures = figures or statistics(dataset)
    out = Path(out)
    files = []
    with matplotlib.rc_context(_STYLE):
        for draw in (_returns, _lengths, _actions, _states):
            figure = draw(dataset, figures)
            files.append(_save(figure, out / f"{draw.__name__.strip('_')}.png"))
    return files


def _returns(dataset: Dataset, figures: Statistics) -> Figure:
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(3, 1))
    left.hist(dataset.returns, bins=_bins(dataset.returns), color=_BLUE)
    left.yaxis.get_major_locator().set_params(integer=True)
    _mark_mean(left, figures.returns.mean)
    spread = f"{figures.returns.mean:,.2f} ± {figures.returns.std:,.2f}"
    won = "" if figures.won is None else f", {100 * figures.won:.2f} % won"
    left.set(title=f"{figures.scenario}: return {spread}{won}", xlabel="return", ylabel="episodes")
    _violin(right, dataset.returns)
    right.set(title="quartiles, density", ylabel="return", xticks=[])
    return figure


def _violin(axes: Axes, values: np.ndarray) -> None:
    if np.ptp(values) > 0:
        parts = axes.violinplot(values, showextrema=False)
        for body in parts["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=_BLUE, alpha=0.35)
    axes.boxplot(
        values,
        widths=0.12,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "white"},
        medianprops={"color": "black", "linewidth": 2.5},
    )
    axes.grid(False, axis="x")


def _lengths(dataset: Dataset, figures: Statistics) -> Figure:
    figure = _figure(9, 3.2)
    axes = figure.subplots()
    bins = _bins(dataset.lengths)
    ended = dataset.lengths[dataset.terminated]
    cut = dataset.lengths[~dataset.terminated]
    axes.hist(
        [ended, cut],
        bins=bins,
        stacked=True,
        color=[_BLUE, _GREY],
        label=[f"ended by the scenario ({len(ended):,})", f"cut by the limit ({len(cut):,})"],
    )
    axes.set(
        title=f"{figures.scenario}: length {figures.lengths.mean:,.1f} steps on average",
        xlabel="transitions",
        ylabel="episodes",
    )
    axes.legend()
    return figure


def _actions(dataset: Dataset, figures: Statistics) -> Figure:
    if dataset.spec.discrete:
        return _discrete_actions(dataset, figures)
    return _continuous_actions(dataset, figures)


def _discrete_actions(dataset: Dataset, figures: Statistics) -> Figure:
    """One row an agent, one column an action: how often it was taken, and was legal."""
    spec = dataset.spec
    figure = _figure(max(6.0, 1.5 + 0.55 * spec.action_dim) * 1.5, 1.8 + 0.45 * spec.num_agents)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name, title in (
        (panels[0], "shares", "taken, in % of its steps"),
        (panels[1], "legal_shares", "legal, in % of its steps"),
    ):
        shares = np.full((spec.num_agents, spec.action_dim), np.nan)
        for agent, use in enumerate(figures.actions):
            values = getattr(use, name)
            shares[agent, : len(values)] = values
        axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for agent, action in np.argwhere(np.isfinite(shares)):
            share = shares[agent, action]
            colour = "white" if share > 0.6 else "black"
            axes.text(action, agent, f"{100 * share:.0f}", ha="center", va="center", color=colour)
        axes.set(title=title, xlabel="action", xticks=range(spec.action_dim))
        axes.grid(False)
    figure.suptitle(f"{figures.scenario}: actions of living agents", x=0.01, ha="left")
    panels[0].set(yticks=range(spec.num_agents), yticklabels=spec.agents)
    return figure


def _continuous_actions(dataset: Dataset, figures: Statistics) -> Figure:
    """A small histogram for each action dimension of each agent, over its range."""
    spec = dataset.spec
    counts = _action_counts(dataset)
    figure = _figure(1.2 + 2.2 * spec.action_dim, 0.8 + 1.5 * spec.num_agents)
    panels = figure.subplots(spec.num_agents, spec.action_dim, squeeze=False, sharey="row")
    for agent, name in enumerate(spec.agents):
        for dimension in range(spec.action_dim):
            axes = panels[agent, dimension]
            if dimension >= spec.action_dims[agent]:
                axes.set_axis_off()
                continue
            bounds = spec.action_low[agent][dimension], spec.action_high[agent][dimension]
            axes.stairs(counts[agent, dimension], _edges(bounds), fill=True, color=_BLUE)
            axes.set(yticks=[], title=f"{name}, {dimension}")
    figure.suptitle(f"{figures.scenario}: actions within their bounds", x=0.01, ha="left")
    return figure


def _action_counts(dataset: Dataset) -> np.ndarray:
    """(N, A, 40) int64: how often each action lies in a cell of its range."""
    spec = dataset.spec
    counts = np.zeros((spec.num_agents, spec.action_dim, _CELLS), np.int64)
    for steps in steps_of(dataset, ("actions",)):
        for agent, dimension in np.argwhere(spec.action_mask > 0):
            bounds = spec.action_low[agent][dimension], spec.action_high[agent][dimension]
            values = np.clip(steps.fields["actions"][:, agent, dimension], *bounds)
            counts[agent, dimension] += np.histogram(values, _CELLS, bounds)[0]
    return counts


def _states(dataset: Dataset, figures: Statistics) -> Figure:
    """Where states lie in the plane they vary most in, and how much that plane shows."""
    figure = _figure(9, 4)
    coverage = figures.coverage
    rank = f"{coverage.effective_rank:.1f} of {coverage.dimensions} directions"
    cells = f"{coverage.visited:,} of {coverage.cells:,} cells"
    title = f"{figures.scenario}: states vary along {rank}, visit {cells}"
    figure.suptitle(title, x=0.01, ha="left")
    if not coverage.dimensions:
        return figure
    states = standardised_states(dataset, standardisation(dataset))
    variances, directions = np.linalg.eigh(states.T @ states / len(states))
    order = np.argsort(-variances)
    plane = np.zeros((len(states), 2))
    plane[:, : len(order)] = states @ directions[:, order[:2]]
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    drawn = left.hexbin(*plane.T, gridsize=45, bins="log", mincnt=1, cmap="Blues", linewidths=0.1)
    drawn.set_clim(0.3, max(10, drawn.get_array().max()))  # a single state must be seen
    figure.colorbar(drawn, ax=left, label="states")
    left.set(title="the two main directions", xlabel="first", ylabel="second")
    share = 100 * np.cumsum(variances[order]) / variances.sum()
    right.plot(range(1, len(share) + 1), share, marker="o", markersize=4, color=_BLUE)
    right.set(title="variance they show, in %", xlabel="directions", ylim=(0, 103))
    right.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _figure(width: float, height: float) -> Figure:
    # Not through pyplot, whose state and windows are global.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, file: Path) -> Path:
    with guarded(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=150)
    return file


def _edges(bounds: tuple[float, float]) -> np.ndarray:
    return np.histogram_bin_edges([], _CELLS, bounds)


def _bins(values: np.ndarray) -> list[float]:
    """10 to 50 bins over the range, at least one unit wide for whole numbers."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return [low - 0.5, low + 0.5]
    count = int(np.clip(len(values) // 4, 10, 50))
    if values.dtype.kind == "i":
        count = int(min(count, high - low + 1))
        low, high = low - 0.5, high + 0.5
    return [float(edge) for edge in np.linspace(low, high, count + 1)]


def _mark_mean(axes: Axes, mean: float) -> None:
    axes.axvline(mean, color=_ORANGE, linewidth=2)
    axes.annotate(
        "mean",
        (mean, 1.0),
        xytext=(5, -10),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=_ORANGE,
        weight="bold",
    )
