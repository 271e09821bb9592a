"""Tables of ``world_models.py``'s results: means over seeds, intervals, who wins.

    python benchmarks/world_models_table.py            # Markdown on standard output
    python benchmarks/world_models_table.py --brief    # means of the judged errors alone
    python benchmarks/world_models_table.py --trust    # uncertainty, calibration, coverage
    python benchmarks/world_models_table.py --tally    # wins, ties and losses by share of episodes
    python benchmarks/world_models_table.py --ablations   # what each change does to LOGO

For every dataset and share of the episodes: the mean over seeds of each arm's error with its
95 % interval (Student's t), and, against the reference arm, the differences paired by seed: a
win or a loss where the 95 % interval of their mean leaves 0 out, else a tie; below 5 pairs
there is no verdict.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from recording import RESULTS
from scipy.stats import sem, t

COLUMNS = {
    "s' 1": ("state_nrmse", "1"),
    "s' 5": ("state_nrmse", "5"),
    "s' 15": ("state_nrmse", "15"),
    "o' 1": ("obs_nrmse", "1"),
    "o' 5": ("obs_nrmse", "5"),
    "o' 15": ("obs_nrmse", "15"),
    "reward": ("reward_rmse_std",),
    "NLL s'": ("state_nll",),
    "NLL o'": ("observation_nll",),
    "inside 1 sigma": ("state_inside", "1"),
    "Spearman 1": ("uncertainty_spearman_by_step", "step", "1"),
    "Spearman 15": ("uncertainty_spearman_by_step", "step", "15"),
    "AUC": ("auc_other_actions",),
}
JUDGED = ("s' 1", "s' 15", "o' 1", "o' 15", "NLL s'", "NLL o'")
BRIEF = {
    "s' after 1 / 15 steps": ("s' 1", "s' 15"),
    "o' after 1 / 15 steps": ("o' 1", "o' 15"),
    "NLL of s' / o'": ("NLL s'", "NLL o'"),
}
TRUST = {
    "rank correlation with the error after 1 / 5 / 15 steps": (
        ("uncertainty_spearman_by_step", "step", "1"),
        ("uncertainty_spearman_by_step", "step", "5"),
        ("uncertainty_spearman_by_step", "step", "15"),
    ),
    "AUC of other / shifted actions": (
        ("auc_other_actions",),
        ("auc_shifted_actions", "2"),
    ),
    "states within 1 / 2 sigma": (("state_inside", "1"), ("state_inside", "2")),
    "coverage of the 90 % bound after 1 / 5 / 15 steps": (
        ("coverage", "coverage", 0),
        ("coverage", "coverage", 4),
        ("coverage", "coverage", 14),
    ),
}
_PAIRS = 5


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder")
    parser.add_argument("--reference", default="logo")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--brief", action="store_true", help="means of the judged errors alone")
    form.add_argument("--trust", action="store_true", help="means of uncertainty's figures")
    form.add_argument(
        "--tally", action="store_true", help="wins, ties, losses by share of episodes"
    )
    form.add_argument("--ablations", action="store_true", help="of ablations.jsonl, in one table")
    arguments = parser.parse_args()
    file = "ablations.jsonl" if arguments.ablations else "world_models.jsonl"
    lines = [json.loads(line) for line in (arguments.results / file).read_text().splitlines()]
    groups: dict[tuple[str, float], dict[str, dict[int, Any]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for line in lines:
        dataset, arm, share, seed = line["cell"]
        groups[dataset, share][arm][seed] = line
    if arguments.brief:
        print(brief(groups, arguments.reference))
        return
    if arguments.trust:
        print(trust(groups, arguments.reference))
        return
    if arguments.tally:
        print(tally(groups, arguments.reference))
        return
    if arguments.ablations:
        print(changes(groups, arguments.reference))
        return
    for (dataset, share), arms in sorted(groups.items()):
        print(f"\n**{dataset}, {share:.0%} of the episodes**\n")
        print(table(arms, arguments.reference))
    print("\n" + verdicts(groups, arguments.reference))


def table(arms: dict[str, dict[int, Any]], reference: str) -> str:
    """One Markdown table: a row an arm."""
    rows = ["| arm | seeds | parameters | CPU s | " + " | ".join(COLUMNS) + " |"]
    rows.append("|" + "---|" * (4 + len(COLUMNS)))
    for arm in sorted(arms, key=lambda name: (name != reference, name)):
        runs = arms[arm]
        cells = [_interval([_value(run, COLUMNS[c]) for run in runs.values()]) for c in COLUMNS]
        parameters = np.mean([run["parameters"] for run in runs.values()])
        seconds = np.mean([run["cpu_seconds"] for run in runs.values()])
        name = f"**{arm}**" if arm == reference else arm
        rows.append(
            f"| {name} | {len(runs)} | {parameters:,.0f} | {seconds:.0f} | "
            + " | ".join(cells)
            + " |"
        )
    return "\n".join(rows)


def brief(groups: dict, reference: str) -> str:
    """Means of the judged errors: a row for each dataset, share and pair, a column for each arm.

    A rival's mean is marked ``=`` where the reference ties with it, ``+`` where it loses to it
    and ``?`` where there are too few seeds to tell.
    """
    rivals = _rivals(groups, reference)
    rows = [f"| data | error | {reference} | " + " | ".join(rivals) + " |"]
    rows.append("|" + "---|" * (3 + len(rivals)))
    for (dataset, share), arms in sorted(groups.items(), key=lambda group: (-group[0][1], group)):
        if reference not in arms:
            continue
        for title, columns in BRIEF.items():
            cells = " | ".join(
                " / ".join(_marked(arms, arm, reference, COLUMNS[column]) for column in columns)
                for arm in (reference, *rivals)
            )
            rows.append(f"| {dataset}, {share:.0%} | {title} | {cells} |")
    return "\n".join(rows)


def trust(groups: dict, reference: str) -> str:
    """Means of what uncertainty and spreads are worth: a column for each arm and variant."""
    names = sorted({arm for arms in groups.values() for arm in arms} - {reference})
    rows = [f"| data | figure | {reference} | " + " | ".join(names) + " |"]
    rows.append("|" + "---|" * (3 + len(names)))
    for (dataset, share), arms in sorted(groups.items(), key=lambda group: (-group[0][1], group)):
        for title, keys in TRUST.items():
            cells = " | ".join(
                " / ".join(
                    _mean([_value(run, key) for run in arms.get(arm, {}).values()]) for key in keys
                )
                for arm in (reference, *names)
            )
            rows.append(f"| {dataset}, {share:.0%} | {title} | {cells} |")
    return "\n".join(rows)


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return re.sub(r"^(-?)0\.", r"\1.", f"{np.mean(known):.3f}") if known else "–"


def _marked(arms: dict[str, dict[int, Any]], arm: str, reference: str, key: tuple[str, ...]) -> str:
    mean = _mean([_value(run, key) for run in arms.get(arm, {}).values()])
    if arm == reference or mean == "–":
        return mean
    marks = {"win": "", "tie": " =", "loss": " **+**", None: " ?"}
    return mean + marks[verdict(arms[reference], arms[arm], key)]


def changes(groups: dict, reference: str) -> str:
    """What each variant's judged errors are above the reference's: a row for each variant.

    In per cent of the reference's mean (likelihoods: in nats), with half the 95 % interval
    of the mean of differences paired by seed; bold where that leaves 0 out.
    """
    columns = [(group, column) for group in sorted(groups) for column in JUDGED]
    names = [f"{dataset}, {share:.0%}: {column}" for (dataset, share), column in columns]
    rows = ["| variant | " + " | ".join(names) + " |", "|" + "---|" * (1 + len(names))]
    for variant in dict.fromkeys(arm for arms in groups.values() for arm in arms):
        if variant.startswith(reference):
            continue
        cells = [
            _change(groups[group].get(reference, {}), groups[group].get(variant, {}), column)
            for group, column in columns
        ]
        rows.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _change(ours: dict[int, Any], theirs: dict[int, Any], column: str) -> str:
    pairs = _pairs(ours, theirs, COLUMNS[column])
    if not len(pairs):
        return "–"
    scale = 1.0 if column.startswith("NLL") else 0.01 * pairs[:, 0].mean()
    differences = (pairs[:, 1] - pairs[:, 0]) / scale
    text = f"{differences.mean():+.{2 if scale == 1 else 1}f}"
    if len(pairs) < _PAIRS:
        return f"{text} ?"
    low, high = _bounds(differences)
    text = f"{text} ± {(high - low) / 2:.{2 if scale == 1 else 1}f}"
    return text if low <= 0 <= high else f"**{text}**"


def verdicts(groups: dict, reference: str) -> str:
    """How often the reference wins, ties and loses against each rival, error by error."""
    rows = ["| rival | " + " | ".join(JUDGED) + " |", "|" + "---|" * (1 + len(JUDGED))]
    for rival in _rivals(groups, reference):
        cells = []
        for column in JUDGED:
            found = [
                verdict(arms[reference], arms[rival], COLUMNS[column])
                for arms in groups.values()
                if rival in arms and reference in arms
            ]
            cells.append(_counted(found))
        rows.append(f"| {rival} | " + " | ".join(cells) + " |")
    return "wins / ties / losses of " + reference + "\n\n" + "\n".join(rows)


def tally(groups: dict, reference: str) -> str:
    """Wins, ties and losses over datasets and judged errors: a row for each share of episodes."""
    rivals = _rivals(groups, reference)
    rows = ["| episodes | " + " | ".join(rivals) + " |", "|" + "---|" * (1 + len(rivals))]
    for share in sorted({share for _, share in groups}, reverse=True):
        cells = []
        for rival in rivals:
            found = [
                verdict(arms[reference], arms[rival], COLUMNS[column])
                for (_, of), arms in groups.items()
                for column in JUDGED
                if of == share and rival in arms and reference in arms
            ]
            cells.append(_counted(found))
        rows.append(f"| {share:.0%} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _counted(found: list[str | None]) -> str:
    return " / ".join(str(found.count(one)) for one in ("win", "tie", "loss"))


def _rivals(groups: dict, reference: str) -> list[str]:
    """All arms but the reference and its variants, such as "logo, spread", which err alike."""
    arms = {arm for arms in groups.values() for arm in arms}
    return sorted(arm for arm in arms if not arm.startswith(reference))


def verdict(ours: dict[int, Any], theirs: dict[int, Any], key: tuple[str, ...]) -> str | None:
    """``win``, ``tie`` or ``loss`` of ours, paired by seed; None below 5 pairs."""
    pairs = _pairs(ours, theirs, key)
    if len(pairs) < _PAIRS:
        return None
    low, high = _bounds(pairs[:, 0] - pairs[:, 1])
    return "win" if high < 0 else "loss" if low > 0 else "tie"


def _pairs(ours: dict[int, Any], theirs: dict[int, Any], key: tuple[str, ...]) -> np.ndarray:
    """(pairs, 2): the figures of both, of every seed that both have."""
    pairs = [
        (_value(ours[seed], key), _value(theirs[seed], key))
        for seed in sorted(ours.keys() & theirs)
    ]
    return np.array([pair for pair in pairs if None not in pair]).reshape(-1, 2)


def _value(run: dict[str, Any], key: tuple[str | int, ...]) -> float | None:
    value: Any = run["figures"]
    for name in key:
        if isinstance(value, list):
            value = value[name] if name < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _interval(values: list[float | None]) -> str:
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return "–"
    if len(known) < 3:
        return f"{known.mean():.3f}"
    low, high = _bounds(known)
    return f"{known.mean():.3f} ({low:.3f}–{high:.3f})"


def _bounds(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = t.interval(0.95, len(values) - 1, values.mean(), sem(values))
    return float(low), float(high)


if __name__ == "__main__":
    main()
