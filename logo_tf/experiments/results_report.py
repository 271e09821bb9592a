"""An experiment's results for people: Markdown, and one HTML page."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from logo_tf import disk
from logo_tf.evaluation.aggregation import Aggregate, Estimate, performance_profiles
from logo_tf.evaluation.report import Block, Figure, Folded, Section, Table, Text, page, page_digest
from logo_tf.evaluation.returns import shown
from logo_tf.experiments.matrix import Task
from logo_tf.experiments.reporting import read_metrics
from logo_tf.experiments.results import Cell, Results, curves

MARKDOWN, CSV, REPORT = "results.md", "results.csv", "report.html"
_SAID = (
    "Scores: 0 is what random actions earn, 100 what the expert does. After ± is half of a 95 % "
    "interval over seeds (Student's t); in brackets are 95 % intervals of a bootstrap of the "
    "seeds (rliable)."
)


def write_results(results: Results, out: Path) -> None:
    """Write ``results.csv``, ``results.md`` and ``report.html`` into an experiment's folder.

    Raises:
      LogoError: the disk refuses.
    """
    disk.write_text(out / CSV, results.csv())
    text = markdown(results)
    disk.write_text(out / MARKDOWN, text)
    digest = hashlib.sha256((results.csv() + text).encode()).hexdigest()
    file = out / REPORT
    if file.is_file() and page_digest(file.read_text(encoding="utf-8")) == digest:
        return
    sections = [_scores(results), _tasks(results, out), _models(results), _provenance(results)]
    kept = [section for section in sections if section.blocks]
    disk.write_text(file, page("Experiment", kept, digest))


def markdown(results: Results) -> str:
    """The tables of ``results.md``."""
    parts = [_SAID, _state(results), *(_as_markdown(table) for table in tables(results))]
    return "\n\n".join(part for part in parts if part) + "\n"


def tables(results: Results) -> list[Table]:
    """Scores, aggregates, claims, mean returns, and shares of won episodes where there are any."""
    made = [_task_table(results, lambda cell: cell.score, "Score.", 1, scores=True)]
    if results.aggregate:
        made.append(_aggregate_table(results, results.aggregate))
        if results.config.claims:
            made.append(_claims_table(results))
    made.append(_task_table(results, lambda cell: cell.return_mean, "Mean return.", None))
    if any(cell.won_share is not None for cell in results.cells):
        made.append(_task_table(results, _won, "Episodes won, in per cent.", 1))
    return made


def _won(cell: Cell) -> float:
    return math.nan if cell.won_share is None else 100 * cell.won_share


def _state(results: Results) -> str:
    seeds = ", ".join(str(seed) for seed in results.seeds) or "none"
    missing = f" {results.missing} cells are not finished yet." if results.missing else ""
    return (
        f"Seeds that every arm has finished: {seeds}.{missing} {results.hours:.1f} hours of "
        "computing."
    )


def _task_table(
    results: Results,
    value: Callable[[Cell], float],
    caption: str,
    digits: int | None,
    scores: bool = False,
) -> Table:
    """One row an arm, one column a task."""

    def text(number: float, largest: float) -> str:
        return shown(number, largest) if digits is None else f"{number:.{digits}f}"

    def entry(arm: str, task: Task) -> str:
        found = [value(cell) for cell in results.cells if (cell.arm, cell.task) == (arm, task)]
        if not found or math.isnan(found[0]):
            return "–"
        mean = float(np.mean(found))
        if len(found) == 1:
            return f"{text(mean, mean)} (1 seed)"
        return f"{text(mean, mean)} ± {text(half_width(found), mean)}"

    rows = [(arm, *(entry(arm, task) for task in results.tasks)) for arm in results.config.judged]
    if scores or digits is None:
        logged = {task: found[1 if scores else 0] for task, found in results.data.items()}
        rows.append(
            (
                "the data",
                *(text(logged[t], logged[t]) if t in logged else "–" for t in results.tasks),
            )
        )
    return Table(("", *map(str, results.tasks)), rows, caption)


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean, Student's t; of two values or more."""
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread


def _aggregate_table(results: Results, found: Aggregate) -> Table:
    better, baseline = found.improvement, results.config.compared
    rows = [
        (
            name,
            _bracketed(middle, 1),
            _bracketed(found.means[name], 1),
            _bracketed(better[name], 2) if name in better else "–",
        )
        for name, middle in found.interquartile_means.items()
    ]
    return Table(
        ("", "interquartile mean", "mean", f"chance to beat {baseline}"),
        rows,
        f"{len(results.tasks)} x {len(results.seeds)} runs an arm (datasets x seeds).",
    )


def _claims_table(results: Results) -> Table:
    rows = []
    for claim in results.config.claims:
        found = results.gain(claim)
        gains = (_bracketed(found[task], 1) for task in (*results.tasks, None))
        rows.append((claim.says, f"{claim.better} > {claim.than}", *gains, verdict(found[None])))
    return Table(
        ("claim", "means", *map(str, results.tasks), "all", ""),
        rows,
        "Claims: how much higher the first arm scores, over pairs of the same seed. A claim is "
        "confirmed where the interval over all datasets is above 0, refuted where it is below.",
    )


def verdict(gain: Estimate) -> str:
    """What an interval says of a claim that there is a gain."""
    if gain.low > 0:
        return "confirmed"
    return "refuted" if gain.high < 0 else "undecided"


def _bracketed(estimate: Estimate, digits: int) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in estimate)
    return f"{value} [{low}, {high}]"


def _scores(results: Results) -> Section:
    from logo_tf.evaluation.aggregation_plots import intervals_plot, profiles_plot

    blocks: list[Block] = [Text(f"{_SAID} {_state(results)}", "lead")]
    score, *others = tables(results)
    blocks.append(score)
    if results.aggregate:
        baseline, better = results.config.compared, results.aggregate.improvement
        middle = results.aggregate.interquartile_means
        arms = list(middle)
        low, high = _range(results.scores().values())
        profiles = performance_profiles(results.scores(), np.linspace(low, high, 60))
        blocks += [
            Figure(
                intervals_plot("iqm", middle, arms, "interquartile mean score"),
                "The mean of the middle half of each arm's runs, with its interval.",
            ),
            Figure(profiles_plot(profiles), "Performance profiles: higher is better everywhere."),
        ]
        if better:
            blocks.append(
                Figure(
                    intervals_plot("improvement", better, arms, f"chance to beat {baseline}", 0.5),
                    f"How probable it is that a run beats one of {baseline} on the same dataset.",
                )
            )
    return Section("", [*blocks, *others])


def _range(scores: Iterable[np.ndarray]) -> tuple[float, float]:
    """From the lowest to the highest score, 0 to 100 at least."""
    every = np.concatenate([values.ravel() for values in scores])
    return min(0.0, float(every.min())), max(100.0, float(every.max()))


def _tasks(results: Results, out: Path) -> Section:
    """The returns of training, for every task whose policies were looked at."""
    from logo_tf.evaluation.plots import as_series, curves_plot

    blocks: list[Block] = []
    for number, task in enumerate(results.tasks):
        lines: dict[str, tuple[list[float], list[float]]] = {}
        for arm, places in curves(results.config, out, task).items():
            found = [as_series(read_metrics(place), "return_mean") for place in places]
            found = [(steps, values) for steps, values in found if steps]
            if found:
                lines[arm] = found[0][0], np.mean([values for _, values in found], axis=0).tolist()
        if lines:
            levels = {"the data": results.data[task][0]} if task in results.data else None
            svg = curves_plot(f"curve-{number}", lines, "mean return", levels=levels)
            blocks.append(Figure(svg, f"{task}: return in training, mean over seeds."))
    return Section("In training", blocks)


def _models(results: Results) -> Section:
    rows = []
    for name in dict.fromkeys(model.model for model in results.models):
        for task in results.tasks:
            found = [m for m in results.models if (m.model, m.task) == (name, task)]
            if found:
                state = np.mean([model.state for model in found], axis=0)
                seen = np.mean([model.observations for model in found], axis=0)
                rows.append((name, str(task), _errors(state), _errors(seen), len(found)))
    if not rows:
        return Section("World models", [])
    table = Table(
        ("model", "dataset", "state", "observations", "seeds"),
        rows,
        "Open-loop error after 1 / 5 / 15 steps on validation episodes over that of persistence, "
        "means over seeds.",
    )
    return Section("World models", [table])


def _errors(values: np.ndarray) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def _provenance(results: Results) -> Section:
    config = results.config
    references = [(name, *found) for name, found in results.references.items()]
    arms: list[tuple[Any, ...]] = [
        (arm.name, arm.algorithm, arm.model or "–", " ".join(arm.settings) or "–")
        for arm in config.arms
    ]
    arms += [
        (
            planned.name,
            f"planner around {planned.arm}",
            config.arm(planned.arm).model,
            " ".join(planned.settings) or "–",
        )
        for planned in config.planned
    ]
    hashes = [
        (str(cell.task), cell.arm, cell.seed, cell.steps, cell.minutes, cell.policy)
        for cell in results.cells
    ]
    return Section(
        "How it was made",
        [
            Table(("arm", "algorithm", "world model", "settings"), arms),
            Text(
                f"Every policy: {' '.join(config.policy) or 'as its algorithm says'}. Every world "
                f"model: {' '.join(config.world_model) or 'as by default'}. Datasets of "
                f"{config.dataset_steps} steps, {config.episodes} episodes a policy."
            ),
            Table(("scenario", "random", "expert"), references, "Mean returns of scores 0, 100."),
            Folded(
                "Every cell",
                Table(
                    ("dataset", "arm", "seed", "gradient steps", "minutes", "policy's sha256"),
                    hashes,
                ),
            ),
        ],
    )


def _as_markdown(table: Table) -> str:
    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell) for cell in cells) + " |"

    rule = line(["---"] * len(table.columns))
    return "\n".join(
        [table.caption, "", line(table.columns), rule, *(line(row) for row in table.rows)]
    )
