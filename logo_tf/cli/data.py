"""``logo-tf data``: collect, fetch, import, export, inspect and verify datasets."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from logo_tf.cli import data_download, data_inspect
from logo_tf.cli.parser import verb


def add(verbs: Any) -> None:
    """Add the verb and the verbs below it."""
    group = verbs.add_parser(
        "data", help="collect, fetch, import, export, inspect and verify datasets"
    )
    below = group.add_subparsers(title="verbs", metavar="VERB", required=True)

    parser = verb(
        below,
        "collect",
        collect,
        "play a shipped behaviour policy and keep what happened",
        "example: logo-tf data collect --scenario mamujoco/HalfCheetah-2x3 "
        "--quality medium-replay --steps 100000 --out runs/data",
    )
    parser.add_argument("--scenario", metavar="S", required=True, help="see logo-tf scenarios")
    parser.add_argument(
        "--quality",
        metavar="Q",
        required=True,
        help="random, medium-replay, medium, medium-expert or expert",
    )
    parser.add_argument(
        "--steps", metavar="N", type=int, required=True, help="transitions, at least"
    )
    parser.add_argument("--seed", metavar="K", type=int, default=0, help="fixes every episode (0)")
    parser.add_argument(
        "--behaviour",
        metavar="B",
        default="shipped",
        help="shipped (learned, or the script where none is), or script, of SMAX alone (shipped)",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="the dataset's folder, new")

    data_download.add(below)

    parser = verb(below, "import", bring, "read a file of another format, checked, into a dataset")
    parser.add_argument(
        "--format",
        metavar="F",
        default="auto",
        help="pymarl, vault, omiga, omar, minari, rlds, or auto to find out (auto)",
    )
    parser.add_argument("source", metavar="SRC", help="the file or folder to read")
    parser.add_argument("--out", metavar="DIR", required=True, help="the dataset's folder, new")
    parser.add_argument(
        "--scenario", metavar="S", help="a name for the scenario, where the file has none"
    )
    parser.add_argument(
        "--environment",
        metavar="E",
        help="id and version of the environment that was played, where the file does not say it",
    )
    parser.add_argument(
        "--win-reward",
        metavar="R",
        type=_win_reward,
        default="detect",
        help="a step reward that marks a won episode: a number, none, or detect (detect)",
    )
    parser.add_argument(
        "--team-reward",
        choices=("equal", "mean", "sum"),
        default="equal",
        help="one reward from one an agent: mean, sum, or equal, which refuses others (equal)",
    )
    parser.add_argument(
        "--last-step",
        choices=("repeat", "drop"),
        default="repeat",
        help="where nothing follows an episode's last step (vault, omiga): repeat its row as "
        "the next one, or drop the step (repeat)",
    )
    parser.add_argument(
        "--on-error",
        choices=("refuse", "drop-episode"),
        default="refuse",
        help="at a bad episode: refuse the whole, or drop it and say why (refuse)",
    )

    parser = verb(below, "export", export, "write a dataset in another format")
    parser.add_argument("--format", metavar="F", required=True, help="pymarl, minari or rlds")
    parser.add_argument("path", metavar="DIR", help="the dataset")
    parser.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help="a new folder; its name is Minari's (toy-v0) or the version of RLDS (toy/1.0.0)",
    )

    data_inspect.add(below)


def collect(arguments: argparse.Namespace) -> int:
    """Collect a dataset."""
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.config import from_dict
    from logo_tf.data.collect import CollectConfig
    from logo_tf.data.collect import collect as collect_dataset
    from logo_tf.errors import LogoError, nearest
    from logo_tf.scenarios.registry import scenario_names

    names = ("scenario", "quality", "steps", "seed", "behaviour")
    if arguments.scenario not in scenario_names():
        remedy = nearest(arguments.scenario, scenario_names())
        raise LogoError(f"unknown scenario {arguments.scenario!r}; {remedy}")
    config = from_dict(CollectConfig, {name: getattr(arguments, name) for name in names}, "collect")
    if config.quality != "random":
        import_tensorflow()
    dataset = collect_dataset(config, Path(arguments.out))
    _say(dataset)
    return 0


def bring(arguments: argparse.Namespace) -> int:
    """Import a dataset."""
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.data.formats.protocol import ImportOptions
    from logo_tf.data.importing import import_dataset

    if next(Path(arguments.source).glob("*.tfrecord*"), None):
        import_tensorflow()  # which reads these, in silence
    names = [field.name for field in dataclasses.fields(ImportOptions)]
    options = ImportOptions(**{name: getattr(arguments, name) for name in names})
    dataset = import_dataset(arguments.format, arguments.source, arguments.out, options)
    _say(dataset)
    inferred = dataset.manifest.provenance["inferred"]
    for field, agents in inferred.get("cut_as_padding", {}).items():
        columns = ", ".join(f"{agent}: {count}" for agent, count in agents.items())
        write_line(f"columns of -inf cut off as padding: {field} ({columns})")
    for fault in dataset.manifest.provenance["dropped"]:
        write_line(f"dropped: {fault}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Export a dataset."""
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow
    from logo_tf.data.exporting import export_dataset
    from logo_tf.data.store import load_dataset

    if arguments.format == "rlds":
        import_tensorflow()
    dataset = load_dataset(arguments.path)
    out = export_dataset(arguments.format, dataset, arguments.out)
    write_line(f"{out}: {dataset.num_episodes} episodes as {arguments.format}")
    return 0


def _win_reward(text: str) -> float | str:
    if text in ("detect", "none"):
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number, none or detect, got {text!r}"
        ) from None


def _say(dataset: Any) -> None:
    from logo_tf.cli.output import write_line

    figures = dataset.manifest.figures
    write_line(
        f"{dataset.path}: {figures['episodes']} episodes, {figures['transitions']} transitions, "
        f"return {figures['return_mean']:.1f} ± {figures['return_std']:.1f}"
    )
