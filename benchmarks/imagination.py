"""Imagined rollouts of LOGO and its rivals, beside mbrl-lib's forward pass and the simulator."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from processes import Worker, alternate
from recording import figure, machine, record
from side_by_side import (
    ENSEMBLE,
    LABELS,
    LOGO,
    MODELS,
    PEER,
    WITHOUT,
    export,
    make_environment,
    memory,
    open_dataset,
    own,
    parser,
    peer,
    rates,
    ratio,
)

from logo_tf.world_model.artifact import split_of
from logo_tf.world_model.config import WorldModelConfig

SIMULATOR = "simulator"


def main() -> None:
    """Measure everything and write the result file."""
    options = parser(__doc__)
    options.add_argument("--branches", type=int, nargs="+", default=[5_000, 50_000])
    options.add_argument("--horizon", type=int, default=15)
    options.add_argument("--states", type=int, default=750_000, help="of each turn, at least")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.branches, arguments.rounds, arguments.states = [500], 2, 7_500
    python = make_environment(arguments.peer_venv, arguments.pip)
    dataset = open_dataset(arguments.dataset)
    where = machine()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        export(dataset, split_of(dataset, WorldModelConfig(), 0), data)
        for branches in arguments.branches:
            rollouts = -(-arguments.states // (branches * arguments.horizon))
            workers = {
                LABELS[name]: own(
                    dataset,
                    arguments.threads,
                    "imagine",
                    model=name,
                    branches=branches,
                    horizon=arguments.horizon,
                    rollouts=rollouts,
                )
                for name in MODELS
            }
            workers[LABELS[PEER]] = peer(
                python,
                data,
                arguments.threads,
                "forward",
                branches=branches,
                passes=rollouts * arguments.horizon,
            )
            workers[SIMULATOR] = own(dataset, arguments.threads, "simulate")
            figures |= measure(workers, branches, arguments.rounds)
    settings = {
        "dataset": dataset.manifest.hash,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "branches": arguments.branches,
        "horizon": arguments.horizon,
        "states of each turn, at least": arguments.states,
    }
    record("imagination", where, figures, settings, arguments.results)


def measure(workers: dict[str, Worker], branches: int, rounds: int) -> dict[str, Any]:
    """Rates at one number of branches, what they are to each other, and the memory they take."""
    with ExitStack() as stack:
        for worker in workers.values():
            stack.enter_context(worker)
        answers = alternate(workers, rounds)
    found = {
        f"{name}, {branches}": figure(rates(told), "steps/s" if name == SIMULATOR else "states/s")
        for name, told in answers.items()
    }
    logo, without, ensemble, forward = (
        rates(answers[LABELS[name]]) for name in (LOGO, WITHOUT, ENSEMBLE, PEER)
    )
    found |= {
        f"LOGO over mbrl's forward pass, {branches}": ratio(logo, forward),
        f"LOGO over the simulator, {branches}": ratio(logo, rates(answers[SIMULATOR])),
        f"price of uncertainty, {branches}": ratio(without, logo),
        f"LOGO's time over the ensemble's, {branches}": ratio(ensemble, logo),
    }
    return found | {f"peak memory, {name}, {branches}": memory(t) for name, t in answers.items()}


if __name__ == "__main__":
    main()
