"""``logo-tf model``: train and judge world models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import add_settings, verb


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
    parser.add_argument("--data", metavar="DIR", required=True, help="the dataset")
    parser.add_argument("--out", metavar="RUN", required=True, help="the world model's folder, new")
    parser.add_argument("--kind", metavar="K", help="which world model (logo)")
    add_settings(parser, "width=256")

    parser = verb(below, "eval", evaluate, "k-step error and uncertainty on held-out episodes")
    parser.add_argument("path", metavar="RUN", help="the world model")
    parser.add_argument("--data", metavar="DIR", required=True, help="the dataset")
    parser.add_argument(
        "--horizon", metavar="H", type=int, default=15, help="the farthest open-loop step (15)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def train(arguments: argparse.Namespace) -> int:
    """Train or resume a world model."""
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.cli.settings import resolve
    from logo_tf.config import override
    from logo_tf.data.store import load_dataset
    from logo_tf.world_model.config import WorldModelConfig

    config = WorldModelConfig()
    if arguments.kind is not None:
        config = override(config, [f"kind={arguments.kind}"])
    config = resolve(config, arguments)
    dataset = load_dataset(arguments.data)
    import_tensorflow("logo_tf.world_model.trainer")
    from logo_tf.world_model.trainer import train_world_model

    path = train_world_model(dataset, config, arguments.seed or 0, Path(arguments.out))
    write_line(f"{path}: trained; judge it with: logo-tf model eval {path} --data {arguments.data}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Print a world model's errors on the episodes its own training held out."""
    from logo_tf.artifacts import verify
    from logo_tf.cli.output import write_json, write_pairs
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.config import require
    from logo_tf.data.store import load_dataset

    require(arguments.horizon >= 1, f"--horizon must be at least 1, got {arguments.horizon}")
    manifest = verify(arguments.path, "world_model")
    dataset = load_dataset(arguments.data)
    manifest.scenario.require_fits(
        dataset.spec, f"the world model {arguments.path}", f"the dataset {arguments.data}"
    )
    import_tensorflow("logo_tf.world_model.diagnostics")
    from logo_tf.world_model.artifact import load_world_model, trained_split
    from logo_tf.world_model.diagnostics import evaluate_model

    # Only its own dataset holds episodes that it was trained on.
    seen = manifest.parents.get("dataset") == dataset.manifest.hash
    episodes = trained_split(manifest, dataset).test if seen else None
    horizons = tuple(h for h in (1, 2, 3, 5, 7, 10, 15) if h < arguments.horizon)
    found = evaluate_model(
        load_world_model(arguments.path),
        dataset,
        episodes,
        horizons=(*horizons, arguments.horizon),
        seed=0,
    )
    found = {"episodes": "held out by its training" if seen else "all of another dataset", **found}
    if arguments.json:
        write_json(found)
        return 0
    write_pairs({name: v for name, v in found.items() if name != "uncertainty_curve"})
    return 0
