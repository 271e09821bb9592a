"""The learning rate of each arm of ``world_models.py``, by held-out error, resumable.

    python benchmarks/learning_rates.py --data data --dataset hc_2x3

For each dataset and arm, rates of a ladder by twos are tried, from the best known one or
.008, until the best has a worse one on either side. Equal size and equal time as in
``world_models.py``; all of the episodes; seed 10, which the grid does not use. The error is
the sum of those of s' and o' over 5 open-loop steps on the validation episodes, by which
training chooses its checkpoint too. Each run appends one line to
``results/learning_rates.jsonl``; the grid takes the best.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from recording import RESULTS
from world_models import FIRST_RATE, Cell, lines_of, prepared, read_plan, timed

from logo_tf import artifacts
from logo_tf.config import override
from logo_tf.world_model.trainer import train_world_model

_SEED = 10


def main() -> None:
    """Climb, arm by arm."""
    plan = read_plan()
    own = [name for name in plan["datasets"] if name not in plan["rates_from"]]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the datasets")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--dataset", choices=own, action="append", help="only this (repeatable)")
    parser.add_argument("--arm", choices=plan["arms"], action="append", help="likewise")
    arguments = parser.parse_args()
    arguments.costs = arguments.ablations = False
    file = arguments.results / "learning_rates.jsonl"
    for name in arguments.dataset or own:
        ready = prepared(arguments, name, plan)
        for arm in arguments.arm or plan["arms"]:
            known = _known(file, name, arm)
            best = min(known, key=known.__getitem__, default=FIRST_RATE)
            while missing := [rate for rate in (best, best / 2, best * 2) if rate not in known]:
                rate = missing[0]
                cell = Cell(name, arm, 1.0, _SEED)
                config = override(timed(cell, ready, plan), [f"learning_rate={rate}"])
                with tempfile.TemporaryDirectory() as folder:
                    path = train_world_model(
                        ready.dataset, config, _SEED, Path(folder) / "model", []
                    )
                    figures = artifacts.load_manifest(path).figures
                known[rate] = figures["state_rmse"]["5"] + figures["obs_rmse"]["5"]
                line = {"dataset": name, "arm": arm, "learning_rate": rate, "error": known[rate]}
                with file.open("a", encoding="utf-8") as results:
                    results.write(json.dumps({**line, "steps": config.steps}) + "\n")
                print(line, flush=True)
                best = min(known, key=known.__getitem__)


def _known(file: Path, name: str, arm: str) -> dict[float, float]:
    lines = map(json.loads, lines_of(file))
    return {
        line["learning_rate"]: line["error"]
        for line in lines
        if (line["dataset"], line["arm"]) == (name, arm)
    }


if __name__ == "__main__":
    main()
