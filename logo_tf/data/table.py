"""A dataset's figures as a table for people."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from logo_tf.data.action_use import ActionUse
from logo_tf.data.statistics import Statistics
from logo_tf.data.summary import Summary

_COVERAGE = (
    "state coverage: along how many directions states vary, counted as if evenly; how many of "
    "the cells between random planes they visit, and how evenly. More is broader."
)


def statistics_table(figures: Statistics) -> RenderableType:
    """Lay the figures out for a terminal; the caller prints them."""
    tables = [_facts(figures), _spreads(figures), _actions(figures)]
    if figures.padding:
        tables.append(_padding(figures))
    return Group(*tables)


def _facts(figures: Statistics) -> Table:
    table = _table(figures.scenario, caption=_COVERAGE)
    table.show_header = False
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("episodes", f"{figures.episodes:,}")
    table.add_row("transitions", f"{figures.transitions:,}")
    table.add_row("ended by the scenario", _percent(figures.terminated))
    if figures.won is not None:
        table.add_row("won", _percent(figures.won))
    table.add_row("steps with a reward", _percent(figures.rewarded))
    table.add_row("of all reward, by the last step", _percent(figures.rewarded_at_end))
    if figures.legal_share is not None:
        table.add_row("actions legal (living agents)", _percent(figures.legal_share))
    if figures.joint_actions is not None:
        table.add_row("different joint actions", f"{figures.joint_actions:,}")
    table.add_row("agents alive", _percent(figures.alive_share))
    coverage, repeated = figures.coverage, figures.duplicates
    rank = f"{coverage.effective_rank:.1f} of {coverage.dimensions}"
    table.add_row("state coverage: directions", rank)
    table.add_row("state coverage: cells", f"{coverage.visited:,} of {coverage.cells:,}")
    table.add_row("state coverage: evenness", _percent(coverage.evenness))
    table.add_row("different first states", f"{repeated.first_states:,}")
    error = f" ± {_percent(repeated.error)}" if repeated.error else ""
    table.add_row("repeated (state, action)", _percent(repeated.transitions) + error)
    table.add_row("repeated episodes", f"{repeated.episodes:,}")
    table.add_row("constant state dimensions", str(figures.constant_state))
    table.add_row("constant observation dimensions", str(figures.constant_observation))
    return table


def _spreads(figures: Statistics) -> Table:
    table = _table("spread")
    table.add_column("", style="bold", no_wrap=True)
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
    table = _table("actions of living agents")
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


def _padding(figures: Statistics) -> Table:
    table = _table("padding: columns that an agent lacks, zero and masked")
    table.add_column("agent", style="bold")
    for name in ("observation", "action", "of it -inf in the file"):
        table.add_column(name, justify="right")
    for one in figures.padding:
        cut = ", ".join(f"{field}: {count}" for field, count in one.cut.items())
        table.add_row(one.agent, str(one.observations), str(one.actions), cut or "-")
    return table


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
    # A row must fit a terminal of 80 columns.
    return [f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}" for value in values]


def _table(title: str, caption: str | None = None) -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
