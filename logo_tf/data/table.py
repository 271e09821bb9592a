"""A dataset's figures as a table for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from logo_tf.data.statistics import ActionUse, Statistics, Summary


def statistics_table(figures: Statistics) -> RenderableType:
    """Lay the figures out for a terminal; the caller prints them."""
    return Group(_facts(figures), _spreads(figures), _actions(figures))


def _facts(figures: Statistics) -> Table:
    table = Table(title=figures.scenario, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("episodes", f"{figures.episodes:,}")
    table.add_row("transitions", f"{figures.transitions:,}")
    table.add_row("ended by the scenario", _percent(figures.terminated))
    if figures.won is not None:
        table.add_row("won", _percent(figures.won))
    table.add_row("steps with a reward", _percent(figures.rewarded))
    if figures.legal_share is not None:
        table.add_row("actions legal (living agents)", _percent(figures.legal_share))
    table.add_row("agents alive", _percent(figures.alive_share))
    table.add_row("repeated (state, action)", _percent(figures.duplicates))
    table.add_row("different first states", f"{figures.first_states:,}")
    table.add_row("constant state dimensions", str(figures.constant_state))
    table.add_row("constant observation dimensions", str(figures.constant_observation))
    return table


def _spreads(figures: Statistics) -> Table:
    table = Table(title="spread", title_justify="left")
    table.add_column("", style="bold")
    for name in ("mean", "std", "min", "25 %", "median", "75 %", "max"):
        table.add_column(name, justify="right")
    for name, summary in (
        ("return", figures.returns),
        ("length", figures.lengths),
        ("step reward", figures.rewards),
    ):
        table.add_row(name, *_numbers(summary))
    return table


def _actions(figures: Statistics) -> Table:
    discrete = any(use.shares for use in figures.actions)
    table = Table(title="actions of living agents", title_justify="left")
    table.add_column("agent", style="bold")
    table.add_column("tried", justify="right")
    if discrete:
        table.add_column("share of each action, in %")
    else:
        table.add_column("mean ± std of each dimension")
        table.add_column("at a bound, in %")
    for use in figures.actions:
        table.add_row(use.agent, _percent(use.coverage), *_details(use, discrete))
    return table


def _details(use: ActionUse, discrete: bool) -> list[str]:
    if discrete:
        return [" ".join(f"{100 * share:.1f}" for share in use.shares)]
    pairs = zip(use.means, use.stds, strict=True)
    return [
        "  ".join(f"{mean:.2f} ± {std:.2f}" for mean, std in pairs),
        " ".join(f"{100 * share:.1f}" for share in use.at_bounds),
    ]


def _numbers(summary: Summary) -> list[str]:
    values = (
        summary.mean,
        summary.std,
        summary.min,
        summary.lower_quartile,
        summary.median,
        summary.upper_quartile,
        summary.max,
    )
    return [f"{value:,.2f}" for value in values]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
