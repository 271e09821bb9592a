"""LOGO against its rivals on real data, at equal size and equal training time, resumable.

    python benchmarks/world_models.py --data data              # every cell that is missing
    python benchmarks/world_models.py --data data --cell hc_2x3 --share 1.0

``world_models.json`` beside this file says which datasets (and the command that makes
each), arms, shares of the episodes and seeds there are. Each cell trains one arm, judges it
on the test episodes, which no training saw, and appends one line to
``results/world_models.jsonl``. A cell that is there is not run again. Several processes
may run at once, each on its part (``--part 0/2``, ``--part 1/2``).

Equal size: every arm is as wide as the reference arm's number of parameters allows. Equal
time: the CPU seconds of a step of every arm are measured first, in turns, on one thread
(``results/world_model_costs.json``), and each arm gets as many steps as the reference's
steps take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

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
from logo_tf.world_model.trainer import train_world_model

PLAN = Path(__file__).with_suffix(".json")
HORIZONS = (1, 5, 15)
_STARTS = 4000
_LINES = 50  # steps between two lines of metrics
_VALIDATIONS = 12
_COST_STEPS = 300
_COST_TURNS = 3


class Cell(NamedTuple):
    """One training: which dataset, arm, share of the episodes and seed."""

    dataset: str
    arm: str
    share: float
    seed: int


class Costs:
    """CPU seconds per step of each arm on each dataset, measured once and kept in a file."""

    def __init__(self, file: Path) -> None:
        """Args: file: where they are kept; read if it is there."""
        self._file = file
        self._costs: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def of(self, dataset: Dataset, name: str, arms: Mapping[str, WorldModelConfig]) -> dict:
        """Arm -> {one_step, unrolled}: median CPU seconds, every missing arm measured in turns.

        Args:
          dataset: the data.
          name: of the dataset.
          arms: name -> config, all of equal size.
        """
        known = self._costs.setdefault("seconds", {}).setdefault(name, {})
        missing = {arm: config for arm, config in arms.items() if arm not in known}
        if missing:
            measured: dict[str, list[tuple[float, float]]] = {arm: [] for arm in missing}
            for _ in range(_COST_TURNS):
                for arm, config in missing.items():
                    measured[arm].append(_cost(dataset, config))
            for arm, pairs in measured.items():
                known[arm] = {
                    "one_step": statistics.median(pair[0] for pair in pairs),
                    "unrolled": statistics.median(pair[1] for pair in pairs),
                    "all": pairs,
                }
            self._costs |= {"machine": machine(), "versions": versions()}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._costs, indent=1) + "\n")
        return {arm: known[arm] for arm in arms}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the datasets")
    parser.add_argument("--plan", type=Path, default=PLAN)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--dataset", action="append", help="only this one (repeatable)")
    parser.add_argument("--arm", action="append", help="only this one (repeatable)")
    parser.add_argument("--share", type=float, action="append", help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, action="append", help="only this one (repeatable)")
    parser.add_argument("--part", default="0/1", help="which part of the cells, as K/N")
    arguments = parser.parse_args()
    plan = json.loads(arguments.plan.read_text(encoding="utf-8"))
    file = arguments.results / "world_models.jsonl"
    costs = Costs(arguments.results / "world_model_costs.json")
    done = {Cell(*json.loads(line)["cell"]) for line in _lines(file)}
    part, parts = (int(number) for number in arguments.part.split("/"))
    for seed in arguments.seed or plan["seeds"]:
        for share in arguments.share or plan["shares"]:
            for i, name in enumerate(arguments.dataset or plan["datasets"]):
                if (i + seed) % parts != part:
                    continue
                try:
                    dataset = load_dataset(arguments.data / name, check="manifest")
                except LogoError as error:
                    print(f"{error}; made by: {plan['datasets'][name]}")
                    continue
                for arm in arguments.arm or plan["arms"]:
                    cell = Cell(name, arm, share, seed)
                    if cell not in done:
                        for line in run(cell, dataset, plan, costs):
                            file.parent.mkdir(parents=True, exist_ok=True)
                            with file.open("a", encoding="utf-8") as results:
                                results.write(json.dumps(line) + "\n")
                            print(_brief(line), flush=True)


def run(cell: Cell, dataset: Dataset, plan: Mapping[str, Any], costs: Costs) -> list[dict]:
    """Train and judge one cell.

    Returns:
      One result of the arm, and one of each way of predicting that it is also judged by.
    """
    arms = {cell.arm, plan["reference"]}
    configs = sized(dataset, {arm: plan["arms"][arm]["settings"] for arm in arms}, plan)
    seconds = costs.of(dataset, cell.dataset, configs)
    reference_steps = plan["reference_steps"][str(cell.share)]
    config = timed(
        configs[cell.arm], seconds[cell.arm], seconds[plan["reference"]], reference_steps
    )
    config = override(config, [f"data_share={cell.share}"])
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = train_world_model(dataset, config, cell.seed, Path(folder) / "model", [])
        model = load_world_model(path)
        assert model.manifest is not None
        about = {
            "steps": config.steps,
            "best_step": model.manifest.figures["best_step"],
            "cpu_seconds": round(time.process_time() - started, 2),
            "parameters": parameter_count(model),
            "config": to_dict(config),
        }
    judged = {cell.arm: model}
    for name, settings in plan["arms"][cell.arm].get("also", {}).items():
        judged[name] = _like(model, dataset, override(config, settings))
    test = split_of(dataset, config, cell.seed).test
    return [
        {
            "cell": list(cell._replace(arm=name)),
            **about,
            "figures": evaluate_model(one, dataset, test, HORIZONS, seed=1, starts=_STARTS),
        }
        for name, one in judged.items()
    ]


def sized(
    dataset: Dataset, arms: Mapping[str, Sequence[str]], plan: Mapping[str, Any]
) -> dict[str, WorldModelConfig]:
    """The arms' configs, each as wide as the reference's number of parameters allows."""
    units = standardisation(dataset)
    reference = override(WorldModelConfig(), plan["arms"][plan["reference"]]["settings"])
    budget = parameter_count(build(reference, dataset.spec, units, seed=0))
    configs = {}
    for arm, settings in arms.items():
        config = override(WorldModelConfig(), settings)
        if arm != plan["reference"] and config.kind != "persistence":
            width = width_for(config, dataset.spec, units, budget)
            config = override(config, [f"width={width}"])
        configs[arm] = config
    return configs


def timed(
    config: WorldModelConfig, cost: Mapping, reference: Mapping, reference_steps: int
) -> WorldModelConfig:
    """The config with the number of steps that takes as long as the reference's."""
    late = config.unroll_share

    def mean(seconds: Mapping[str, float]) -> float:
        return (1 - late) * seconds["one_step"] + late * seconds["unrolled"]

    steps = reference_steps * mean(reference) / mean(cost)
    every = max(1, round(steps / _VALIDATIONS / _LINES)) * _LINES
    steps = max(1, round(steps / every)) * every
    settings = [f"steps={steps}", f"validate_every={every}", f"log_every={_LINES}"]
    return override(config, settings)


class _Clock:
    """A logger that keeps the CPU time of each line."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, float]] = []

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        del metrics
        self.marks.append((step, time.process_time()))

    def close(self) -> None:
        pass


def _cost(dataset: Dataset, config: WorldModelConfig) -> tuple[float, float]:
    """CPU seconds of a one-step and of an unrolled step, without tracing and validation."""
    clock = _Clock()
    every = _COST_STEPS // 6
    settings = [
        f"steps={_COST_STEPS}",
        "unroll_share=0.5",
        f"log_every={every}",
        f"validate_every={_COST_STEPS}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        train_world_model(dataset, override(config, settings), 0, Path(folder) / "model", [clock])
    # Line k ends step (k + 1) * every; the first line of each half holds its tracing.
    times = [seconds for _, seconds in clock.marks]
    return (times[2] - times[0]) / (2 * every), (times[4] - times[3]) / every


def _like(model: WorldModel, dataset: Dataset, config: WorldModelConfig) -> WorldModel:
    """The same weights, predicting by another config."""
    other = build(config, dataset.spec, model.scaling.statistics, seed=0)
    for variable, weight in zip(other.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(weight)
    return other


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
