"""``logo-tf model``: train and judge world models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from logo_tf.cli import model_compare
from logo_tf.cli.parser import add_data, add_settings, add_strategy, verb

_KINDS = "logo, monolithic, ensemble, mamba or persistence (logo)"
# Of these the pictures tell more, and JSON everything.
_LONG = (
    "curve",
    "uncertainty_curve",
    "obs_rmse_by_agent",
    "state_rmse_by_dimension",
    "reliability",
    "coverage",
)


def add(verbs: Any) -> None:
    """Add the verb and the verbs below it."""
    group = verbs.add_parser("model", help="train and judge world models")
    below = group.add_subparsers(title="verbs", metavar="VERB", required=True)

    parser = verb(
        below,
        "train",
        train,
        "train a world model on a dataset",
        "Killed or interrupted, the same command resumes.",
    )
    add_data(parser)
    parser.add_argument("--out", metavar="RUN", required=True, help="the world model's folder, new")
    parser.add_argument("--kind", metavar="K", help=_KINDS)
    add_strategy(parser)
    add_settings(parser, "width=256")

    parser = verb(
        below,
        "eval",
        evaluate,
        "k-step error and uncertainty on held-out episodes",
        "example: logo-tf model eval runs/logo --data data/3m --plots plots --rivals runs/mono",
    )
    parser.add_argument("path", metavar="RUN", help="the world model")
    parser.add_argument("--data", metavar="DIR", required=True, help="the dataset")
    parser.add_argument(
        "--horizon", metavar="H", type=int, default=15, help="the farthest open-loop step (15)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--plots", metavar="DIR", help="write pictures and diagnostics.html into this folder"
    )
    parser.add_argument(
        "--rivals",
        metavar="RUN",
        nargs="+",
        default=[],
        help="other world models, drawn beside it and judged on the same episodes",
    )
    parser.add_argument(
        "--unlike",
        metavar="DIR",
        help="a dataset of other behaviour in the scenario: how well uncertainty tells it (AUC)",
    )
    model_compare.add(below)


def train(arguments: argparse.Namespace) -> int:
    """Train or resume a world model."""
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_replicas
    from logo_tf.cli.settings import resolve
    from logo_tf.config import override
    from logo_tf.data.store import load_dataset
    from logo_tf.world_model.config import WorldModelConfig

    config = WorldModelConfig()
    if arguments.kind is not None:
        config = override(config, [f"kind={arguments.kind}"])
    config = resolve(config, arguments)
    dataset = load_dataset(arguments.data, holding=arguments.rows)
    strategy = import_replicas(arguments.strategy, "logo_tf.world_model.trainer")
    from logo_tf.world_model.trainer import train_world_model

    path = train_world_model(
        dataset, config, arguments.seed or 0, Path(arguments.out), strategy=strategy
    )
    write_line(f"{path}: trained; judge it with: logo-tf model eval {path} --data {arguments.data}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Print a world model's errors on episodes that its own training held out, and draw them."""
    from logo_tf.cli.output import write_json, write_line, write_pairs
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.config import require
    from logo_tf.data.store import load_dataset

    require(arguments.horizon >= 1, f"--horizon must be at least 1, got {arguments.horizon}")
    out = Path(arguments.plots) if arguments.plots else None
    require(
        out is not None or not arguments.rivals,
        "--rivals are drawn: add --plots DIR, or use logo-tf model compare for a table",
    )
    require(
        out is None or out.is_dir() or not out.exists(),
        f"{out}: a file stands where the folder of --plots is needed; choose another one",
    )
    dataset = load_dataset(arguments.data)
    unlike = load_dataset(arguments.unlike) if arguments.unlike else None
    runs = [arguments.path, *arguments.rivals]
    manifests = [model_compare.fitting_manifest(run, dataset) for run in runs]
    import_tensorflow("logo_tf.evaluation.comparison")
    from logo_tf.evaluation.comparison import held_out_by_all, labels_of
    from logo_tf.world_model.artifact import load_world_model
    from logo_tf.world_model.diagnostics import auc_held_out_behaviour, evaluate_model

    labels = labels_of(runs)
    held_out = held_out_by_all(dict(zip(labels, manifests, strict=True)), dataset)
    horizons = (*(h for h in (1, 2, 3, 5, 7, 10, 15) if h < arguments.horizon), arguments.horizon)
    models = {label: load_world_model(run) for label, run in zip(labels, runs, strict=True)}
    figures = {
        label: evaluate_model(model, dataset, held_out.episodes, horizons, seed=0)
        for label, model in models.items()
    }
    found = {"episodes": held_out.said, **figures[labels[0]]}
    if unlike is not None:
        found["auc_held_out_behaviour"] = auc_held_out_behaviour(
            models[labels[0]], dataset, held_out.episodes, unlike
        )
    plots: list[str] = []
    if out is not None:
        from logo_tf.evaluation.model_report import write_diagnostics

        files = write_diagnostics(
            out, labels[0], models[labels[0]], dataset, *held_out, figures, seed=0
        )
        plots = [str(file) for file in files]
    if arguments.json:
        write_json({**found, "plots": plots})
        return 0
    write_pairs(_brief(found))
    for plot in plots:
        write_line(f"plot: {plot}")
    return 0


def _brief(found: dict[str, Any]) -> dict[str, Any]:
    """What fits a terminal: no lists, and of the signals only u itself."""
    coverage = found["coverage"]
    brief = {name: value for name, value in found.items() if name not in _LONG}
    brief["uncertainty_spearman_by_step"] = found["uncertainty_spearman_by_step"]["step"]
    if coverage:
        told = zip(coverage["step"], coverage["coverage"], strict=True)
        brief["coverage"] = {
            "promised": coverage["nominal"],
            **{str(k): share for k, share in told if k in found["horizons"]},
        }
    return brief
