"""LOGO against its rivals on real data, at equal size and equal training time, resumable.

    python benchmarks/world_models.py --data data --costs      # first, on an idle machine
    python benchmarks/world_models.py --data data              # every cell that is missing
    python benchmarks/world_models.py --data data --dataset hc_2x3 --share 1.0

``world_models.json`` beside this file says which datasets (and the command that makes
each), arms, shares of the episodes and seeds there are. Each cell trains one arm, judges it
on the test episodes, which its training never saw, and appends one line to
``results/world_models.jsonl``. A cell that is there, of the same settings, is not run again.
Several processes may run at once, each on its own dataset or seed.

Equal size: every arm is as wide as the reference arm's number of parameters allows. Equal
time: ``--costs`` measures the CPU seconds of a step of every arm, in turns, on one thread
(``results/world_model_costs/DATASET.json``), and each arm gets as many steps as the reference's
steps take. Each arm's learning rate is the best that ``learning_rates.py`` found.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

from costs import median_cost, step_costs
from recording import RESULTS, machine, versions

from logo_tf import seeds
from logo_tf.config import override, to_dict
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, load_dataset
from logo_tf.errors import LogoError
from logo_tf.world_model.artifact import load_world_model, split_of
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.diagnostics import evaluate_model
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.registry import build
from logo_tf.world_model.sizing import parameter_count, width_for
from logo_tf.world_model.temperature import fit_temperature
from logo_tf.world_model.trainer import train_world_model

PLAN = Path(__file__).with_suffix(".json")
HORIZONS = (1, 5, 15)
_STARTS = 4000
_VALIDATIONS = 12
FIRST_RATE = 0.008
_COST_NOTHING = ("learning_rate", "steps", "warmup_steps", "log_every", "validate_every")


class Cell(NamedTuple):
    """One training: which dataset, arm, share of the episodes and seed."""

    dataset: str
    arm: str
    share: float
    seed: int


class Prepared(NamedTuple):
    """A dataset, its arms of equal size, and the CPU seconds of their steps ({}: unknown)."""

    dataset: Dataset
    configs: dict[str, WorldModelConfig]
    costs: dict[str, float]


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the datasets")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--costs", action="store_true", help="measure what steps cost, no more")
    parser.add_argument(
        "--cost-rounds", type=int, default=10, help="how often each arm's turn comes"
    )
    parser.add_argument(
        "--cost-steps", type=int, default=20, help="steps a turn; less for many agents"
    )
    parser.add_argument(
        "--ablations", action="store_true", help="LOGO's ablations, of equal steps, not its rivals"
    )
    plan = read_plan()
    for name, known in (
        ("dataset", list(plan["datasets"])),
        ("arm", [*plan["arms"], *plan["ablations"]]),
        ("share", plan["shares"]),
        ("seed", plan["seeds"]),
    ):
        parser.add_argument(
            f"--{name}",
            type=type(known[0]),
            choices=known,
            action="append",
            help="only this one (repeatable)",
        )
    arguments = parser.parse_args()
    if arguments.ablations:
        reference = plan["reference"]
        ablations = {
            arm: {**about, "rate_of": reference} for arm, about in plan["ablations"].items()
        }
        plan["arms"] = {reference: plan["arms"][reference], **ablations}
    arms = arguments.arm or list(plan["arms"])
    if strangers := set(arms) - set(plan["arms"]):
        kind = "not an ablation" if arguments.ablations else "an ablation: add --ablations"
        parser.error(f"{', '.join(strangers)}: {kind}")
    file = arguments.results / ("ablations.jsonl" if arguments.ablations else "world_models.jsonl")
    done = {Cell(*line["cell"]): line["config"] for line in map(json.loads, lines_of(file))}
    ready: dict[str, Prepared] = {}
    for name in arguments.dataset or plan["datasets"]:
        try:
            ready[name] = prepared(arguments, name, plan)
        except LogoError as error:
            print(error)
    if arguments.costs:
        return
    for share in arguments.share or plan["shares"]:
        for seed in arguments.seed or plan["seeds"]:
            for name, dataset in ready.items():
                for cell in (Cell(name, arm, share, seed) for arm in arms):
                    config = timed(cell, dataset, plan)
                    if done.get(cell) == to_dict(config):
                        continue
                    for line in run(cell, config, dataset.dataset, plan):
                        file.parent.mkdir(parents=True, exist_ok=True)
                        with file.open("a", encoding="utf-8") as results:
                            results.write(json.dumps(line) + "\n")
                        print(_brief(line), flush=True)


def read_plan() -> dict[str, Any]:
    """``world_models.json``."""
    return json.loads(PLAN.read_text(encoding="utf-8"))


def prepared(arguments: argparse.Namespace, name: str, plan: Mapping[str, Any]) -> Prepared:
    """Load a dataset; size its arms; read what their steps cost, or measure it.

    Ablations need no costs, as they take the reference's steps.

    Raises:
      LogoError: no dataset there, or its costs are unknown.
    """
    try:
        dataset = load_dataset(arguments.data / name, check="manifest")
    except LogoError as error:
        raise LogoError(f"{error}; made by: {plan['datasets'][name]}") from error
    configs = sized(dataset, plan, learning_rates(arguments.results, name, plan))
    if arguments.ablations:
        return Prepared(dataset, configs, {})
    file = arguments.results / "world_model_costs" / f"{name}.json"
    if arguments.costs:
        _measure(file, dataset, configs, arguments.cost_rounds, arguments.cost_steps)
    return Prepared(dataset, configs, _known_costs(file, configs))


def _measure(
    file: Path, dataset: Dataset, configs: Mapping[str, WorldModelConfig], rounds: int, every: int
) -> None:
    where = machine()
    costs = {}
    for arm, turns in step_costs(dataset, configs, rounds, every).items():
        costs[arm] = {**median_cost(turns)._asdict(), "all": turns, "model": _model(configs[arm])}
        print(f"{dataset.path.name}, {arm}: {median_cost(turns)}", flush=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".writing")
    content = {
        "seconds": costs,
        "steps_a_turn": every,
        "machine": where,
        "versions": versions(),
    }
    aside.write_text(json.dumps(content, indent=1) + "\n")
    aside.rename(file)


def _known_costs(file: Path, configs: Mapping[str, WorldModelConfig]) -> dict[str, float]:
    """Arm -> mean CPU seconds of a step, one-step and unrolled ones mixed as in training."""
    known = json.loads(file.read_text())["seconds"] if file.exists() else {}
    costs = {}
    for arm, config in configs.items():
        if arm not in known or known[arm]["model"] != _model(config):
            raise LogoError(
                f"{file}: no costs of {arm}; run with --costs first, on an idle machine"
            )
        late = config.unroll_share
        costs[arm] = (1 - late) * known[arm]["one_step"] + late * known[arm]["unrolled"]
    return costs


def _model(config: WorldModelConfig) -> dict[str, Any]:
    """What a step's cost depends on: neither learning rates nor other kinds' settings."""
    others = {"logo", "monolithic", "ensemble", "mamba"} - {config.kind}
    if config.kind == "ensemble":
        others -= {"monolithic"}
    plain = to_dict(config)
    return {name: plain[name] for name in plain if name not in {*others, *_COST_NOTHING}}


def learning_rates(results: Path, name: str, plan: Mapping[str, Any]) -> dict[str, float]:
    """Each arm's best rate on the dataset whose rates it takes; a first guess where none ran."""
    source = plan["rates_from"].get(name, name)
    best: dict[str, tuple[float, float]] = {}
    for line in map(json.loads, lines_of(results / "learning_rates.jsonl")):
        if line["dataset"] == source:
            found = (line["error"], line["learning_rate"])
            best[line["arm"]] = min(found, best.get(line["arm"], found))
    arms = {about.get("rate_of", arm) for arm, about in plan["arms"].items()}
    return {arm: best[arm][1] if arm in best else FIRST_RATE for arm in arms}


def run(
    cell: Cell, config: WorldModelConfig, dataset: Dataset, plan: Mapping[str, Any]
) -> list[dict]:
    """Train and judge one cell.

    Returns:
      One result of the arm, and one of each way of predicting that it is also judged by.
    """
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = train_world_model(dataset, config, cell.seed, Path(folder) / "model", [])
        model = load_world_model(path)
        assert model.manifest is not None
        figures = model.manifest.figures
        about = {
            "steps": config.steps,
            "best_step": figures["best_step"],
            "validation": {name: figures[name] for name in ("state_nrmse", "obs_nrmse")},
            "cpu_seconds": round(time.process_time() - started, 2),
            "parameters": parameter_count(model),
        }
    split = split_of(dataset, config, cell.seed)
    judged = {cell.arm: model}
    for name, settings in plan["arms"][cell.arm].get("also", {}).items():
        other = _like(model, dataset, override(config, settings))
        seed = seeds.derive(cell.seed, "temperature")  # as the trainer's
        fit_temperature(other, dataset, split.validation, seed)
        judged[name] = other
    return [
        {
            "cell": list(cell._replace(arm=name)),
            **about,
            "config": to_dict(one.config),
            "figures": _kept(evaluate_model(one, dataset, split.test, HORIZONS, 1, _STARTS)),
        }
        for name, one in judged.items()
    ]


def sized(
    dataset: Dataset, plan: Mapping[str, Any], rates: Mapping[str, float]
) -> dict[str, WorldModelConfig]:
    """The arms' configs, each as wide as the reference's number of parameters allows."""
    units, reference = standardisation(dataset), plan["reference"]
    configs = {
        arm: override(
            WorldModelConfig(),
            [f"learning_rate={rates[about.get('rate_of', arm)]}", *about["settings"]],
        )
        for arm, about in plan["arms"].items()
    }
    budget = parameter_count(build(configs[reference], dataset.spec, units, seed=0))
    for arm, config in configs.items():
        if arm != reference:
            width = width_for(config, dataset.spec, units, budget)
            configs[arm] = override(config, [f"width={width}"])
    return configs


def timed(cell: Cell, ready: Prepared, plan: Mapping[str, Any]) -> WorldModelConfig:
    """The config with the number of steps that takes as long as the reference's.

    Where costs are unknown, as for ablations, the steps are the reference's.
    """
    steps = plan["reference_steps"][cell.dataset] * plan["steps_by_share"][str(cell.share)]
    if ready.costs:
        steps *= ready.costs[plan["reference"]] / ready.costs[cell.arm]
    every = max(1, round(steps / _VALIDATIONS))
    steps = max(1, round(steps / every)) * every
    settings = [
        f"steps={steps}",
        f"validate_every={every}",
        f"log_every={every}",
        f"patience={steps}",  # equal time: nobody stops early
        f"warmup_steps={min(100, steps // 10)}",
        f"data_share={cell.share}",
    ]
    return override(ready.configs[cell.arm], settings)


def _like(model: WorldModel, dataset: Dataset, config: WorldModelConfig) -> WorldModel:
    """The same weights, predicting by another config."""
    other = build(config, dataset.spec, model.scaling.statistics, seed=0)
    for variable, weight in zip(other.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(weight)
    return other


def _kept(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What tables are made of, without what only pictures are."""
    pictures = ("by_dimension", "curve", "by_agent")
    return {name: value for name, value in figures.items() if not name.endswith(pictures)}


def lines_of(file: Path) -> list[str]:
    """The lines of a file; none where it is not there."""
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _brief(line: Mapping[str, Any]) -> str:
    figures = line["figures"]
    shown = {
        "s": figures["state_nrmse"],
        "o": figures["obs_nrmse"],
    }
    errors = " ".join(
        f"{name}@{k} {value:.3f}" for name, by in shown.items() for k, value in by.items() if value
    )
    return f"{line['cell']} steps {line['steps']} cpu {line['cpu_seconds']:.0f} s: {errors}"


if __name__ == "__main__":
    main()
