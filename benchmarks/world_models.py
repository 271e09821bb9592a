"""LOGO against its rivals on real data, at equal size and equal training time, resumable.

    python benchmarks/world_models.py --data data              # every cell that is missing
    python benchmarks/world_models.py --data data --cell hc_2x3 --share 1.0

``world_models.json`` beside this file says which datasets (and the command that makes
each), arms, shares of the episodes and seeds there are. Each cell trains one arm, judges it
on the test episodes, which no training saw, and appends one line to
``results/world_models.jsonl``. A cell that is there is not run again. Several processes
may run at once, each on its own dataset or seed.

Equal size: every arm is as wide as the reference arm's number of parameters allows. Equal
time: the CPU seconds of a step of every arm are measured first, in turns, on one thread
(``results/world_model_costs/DATASET.json``), and each arm gets as many steps as the reference's
steps take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

from costs import StepCost, step_cost
from recording import RESULTS, machine, versions

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
_LINES = 25  # steps between two lines of metrics
_VALIDATIONS = 12
_COST_TURNS = 2


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
    costs: dict[str, Any]


def costs_of(file: Path, dataset: Dataset, arms: Mapping[str, WorldModelConfig]) -> dict:
    """Arm -> {one_step, unrolled}: median CPU seconds of a step, measured once, in turns.

    Args:
      file: where they are kept; read if it is there, written if an arm was missing.
      dataset: the data.
      arms: name -> config, all of equal size.
    """
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"seconds": {}}
    known = kept["seconds"]
    missing = {
        arm: config
        for arm, config in arms.items()
        if arm not in known or known[arm]["config"] != to_dict(config)
    }
    if missing:
        measured: dict[str, list[StepCost]] = {arm: [] for arm in missing}
        for _ in range(_COST_TURNS):
            for arm, config in missing.items():
                measured[arm].append(step_cost(dataset, config))
        for arm, turns in measured.items():
            known[arm] = {
                "one_step": statistics.median(cost.one_step for cost in turns),
                "unrolled": statistics.median(cost.unrolled for cost in turns),
                "all": turns,
                "config": to_dict(arms[arm]),
            }
        kept |= {"machine": machine(), "versions": versions()}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept, indent=1) + "\n")
    return known


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the datasets")
    parser.add_argument("--plan", type=Path, default=PLAN)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--dataset", action="append", help="only this one (repeatable)")
    parser.add_argument(
        "--ablations", action="store_true", help="LOGO's ablations, of equal steps, not its rivals"
    )
    parser.add_argument("--arm", action="append", help="only this one (repeatable)")
    parser.add_argument("--share", type=float, action="append", help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, action="append", help="only this one (repeatable)")
    arguments = parser.parse_args()
    plan = json.loads(arguments.plan.read_text(encoding="utf-8"))
    if arguments.ablations:
        reference = plan["reference"]
        ablations = {
            arm: {**about, "rate_of": reference} for arm, about in plan["ablations"].items()
        }
        plan["arms"] = {reference: plan["arms"][reference], **ablations}
    file = arguments.results / ("ablations.jsonl" if arguments.ablations else "world_models.jsonl")
    done = {Cell(*json.loads(line)["cell"]) for line in _lines(file)}
    ready: dict[str, Prepared] = {}
    for share in arguments.share or plan["shares"]:
        for seed in arguments.seed or plan["seeds"]:
            for name in arguments.dataset or plan["datasets"]:
                cells = [Cell(name, arm, share, seed) for arm in arguments.arm or plan["arms"]]
                missing = [cell for cell in cells if cell not in done]
                if not missing:
                    continue
                if name not in ready:
                    costs = arguments.results / "world_model_costs" / f"{name}.json"
                    try:
                        ready[name] = prepared(
                            arguments.data / name, plan, None if arguments.ablations else costs
                        )
                    except LogoError as error:
                        print(f"{error}; made by: {plan['datasets'][name]}")
                        continue
                for cell in missing:
                    for line in run(cell, ready[name], plan):
                        file.parent.mkdir(parents=True, exist_ok=True)
                        with file.open("a", encoding="utf-8") as results:
                            results.write(json.dumps(line) + "\n")
                        print(_brief(line), flush=True)


def prepared(folder: Path, plan: Mapping[str, Any], costs: Path | None) -> Prepared:
    """Load a dataset; size its arms; measure what their steps cost, or read it in ``costs``.

    Raises:
      LogoError: no dataset there.
    """
    dataset = load_dataset(folder, check="manifest")
    configs = sized(dataset, folder.name, plan)
    return Prepared(dataset, configs, costs_of(costs, dataset, configs) if costs else {})


def run(cell: Cell, ready: Prepared, plan: Mapping[str, Any]) -> list[dict]:
    """Train and judge one cell.

    Returns:
      One result of the arm, and one of each way of predicting that it is also judged by.
    """
    dataset = ready.dataset
    config = timed(cell, ready.configs[cell.arm], plan, ready.costs)
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
            "config": to_dict(config),
        }
    split = split_of(dataset, config, cell.seed)
    judged = {cell.arm: model}
    for name, settings in plan["arms"][cell.arm].get("also", {}).items():
        other = _like(model, dataset, override(config, settings))
        fit_temperature(other, dataset, split.validation, seed=cell.seed)
        judged[name] = other
    return [
        {
            "cell": list(cell._replace(arm=name)),
            **about,
            "figures": _kept(evaluate_model(one, dataset, split.test, HORIZONS, 1, _STARTS)),
        }
        for name, one in judged.items()
    ]


def sized(dataset: Dataset, name: str, plan: Mapping[str, Any]) -> dict[str, WorldModelConfig]:
    """The arms' configs, each as wide as the reference's number of parameters allows."""
    units = standardisation(dataset)
    rates, reference = plan["learning_rates"][name], plan["reference"]
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


def timed(
    cell: Cell, config: WorldModelConfig, plan: Mapping[str, Any], costs: Mapping[str, Any]
) -> WorldModelConfig:
    """The config with the number of steps that takes as long as the reference's.

    Where costs are unknown, as for ablations, the steps are the reference's.
    """
    late = config.unroll_share

    def mean(arm: str) -> float:
        return (1 - late) * costs[arm]["one_step"] + late * costs[arm]["unrolled"]

    steps = plan["reference_steps"][cell.dataset] * plan["steps_by_share"][str(cell.share)]
    if costs:
        steps *= mean(plan["reference"]) / mean(cell.arm)
    every = max(1, round(steps / _VALIDATIONS / _LINES)) * _LINES
    steps = max(1, round(steps / every)) * every
    settings = [
        f"steps={steps}",
        f"validate_every={every}",
        f"patience={steps}",  # equal time: nobody stops early
        f"log_every={_LINES}",
        f"data_share={cell.share}",
    ]
    return override(config, settings)


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


def _lines(file: Path) -> list[str]:
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
