"""``logo-tf run``: the whole way from a scenario to a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import add_settings, verb

_EXAMPLES = """\
examples:
  logo-tf run
  logo-tf run --out runs/second --seed 1
  logo-tf run --preset smax --out runs/smax
  logo-tf run --out runs/wide --set world_model.width=256 policy.steps=20000

Killed or interrupted, the same command resumes; with nothing changed it skips every stage."""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(
        verbs,
        "run",
        run,
        "dataset, world model, policy, evaluation, exports and a report, in one go",
        _EXAMPLES,
    )
    parser.add_argument(
        "--preset",
        metavar="P",
        default="quickstart",
        help="settings to start from: quickstart, smax or smoke (quickstart)",
    )
    parser.add_argument(
        "--out", metavar="DIR", default="runs/quickstart", help="where to (runs/quickstart)"
    )
    add_settings(parser, "world_model.width=256")


def run(arguments: argparse.Namespace) -> int:
    """Run or resume the experiment and print what came of it."""
    from logo_tf.cli.settings import resolve
    from logo_tf.experiments.config import preset
    from logo_tf.experiments.run import run as run_experiment

    config = resolve(preset(arguments.preset), arguments)
    out = Path(arguments.out)
    summary = run_experiment(config, out, before_work=_load_libraries)
    _report(summary, out)
    return 0


def _load_libraries() -> None:
    from logo_tf.cli.quiet import import_tensorflow

    import_tensorflow("logo_tf.world_model.trainer", "logo_tf.agents.learner")


def _report(summary: dict[str, Any], out: Path) -> None:
    from logo_tf.cli.output import write_line, write_table
    from logo_tf.evaluation.returns import shown

    dataset, policy, baselines = summary["dataset"], summary["policy"], summary["baselines"]
    model, seconds = summary["world_model"], summary["seconds"]

    wins = "won_share" in policy

    def row(name: str, figures: dict[str, Any]) -> tuple[Any, ...]:
        mean, std, lowest = (
            shown(figures[f"return_{which}"], policy["return_max"])
            for which in ("mean", "std", "min")
        )
        won = figures.get("won_share")
        last = ("-" if won is None else f"{won:.0%}",) if wins else ()
        return name, f"{mean} ± {std}", lowest, figures["episodes"], *last

    write_table(
        ("return", "mean ± std", "lowest", "episodes", *(("won",) if wins else ())),
        [
            row(f"{policy['algorithm']} + LOGO", policy),
            row("behaviour cloning", baselines["bc"]),
            row("behaviour (the dataset)", dataset),
            row("random", baselines["random"]),
        ],
        title=f"{summary['scenario']}",
    )
    errors = "  ".join(
        f"{name} after {' / '.join(found)} steps: " + " / ".join(f"{v:.2f}" for v in found.values())
        for name, found in (("state", model["state_nrmse"]), ("observations", model["obs_nrmse"]))
    )
    write_line(f"world model error (1 = no better than 'nothing changes'): {errors}")
    write_line(f"rank correlation of uncertainty and error: {model['uncertainty_spearman']:.2f}")
    for name, path in summary["exports"].items():
        write_line(f"{name + ' export':<20} {path} (parity {summary['parity'][name]:.1e})")
    write_line(f"{'summary':<20} {out / 'summary.json'}")
    write_line(f"{'report':<20} {out / 'report.html'}")
    write_line(f"{'time':<20} {seconds['total'] / 60:.1f} minutes over all parts")
