"""What a step of MACQL costs, with and without imagination, and where its time goes.

    python benchmarks/policies.py

Vectors are HalfCheetah-2x3's, choices SMAX 5m_vs_6m's; the algorithm's own defaults.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from processes import Worker, alternate
from recording import RESULTS, figure, machine, record

from logo_tf.agents.learner import train_policy
from logo_tf.agents.registry import default_config
from logo_tf.config import override
from logo_tf.data.collect import CollectConfig, collect
from logo_tf.data.store import Dataset
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model

SCENARIOS = {"continuous": "mamujoco/HalfCheetah-2x3", "discrete": "smax/5m_vs_6m"}
REAL, IMAGINED, EVALUATION = "real data", "with imagination", "evaluation"
_ONE = ", one batch repeated"


class Sizes(NamedTuple):
    """Everything that --quick makes smaller.

    transitions: of each dataset; model_steps: of the world model, whose errors cost nothing;
    steps: of a turn of training; episodes: of a turn of evaluation; settings: of MACQL.
    """

    transitions: int = 20_000
    model_steps: int = 1000
    steps: int = 1000
    episodes: int = 32
    settings: tuple[str, ...] = ()


QUICK = Sizes(4_000, 20, 20, 2, ("imagination.refresh_every=20", "imagination.branches=64"))


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of every worker")
    parser.add_argument("--rounds", type=int, default=5, help="how often each takes its turn")
    parser.add_argument("--kinds", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    rounds = 2 if arguments.quick else arguments.rounds
    where, figures, configs = machine(), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            place = Path(folder) / kind
            dataset, model, policy = prepare(SCENARIOS[kind], sizes, place)
            workers = start(dataset, model, policy, sizes, arguments.threads)
            found = measure(workers, rounds)
            figures |= {f"{kind}, {name}": one for name, one in found.items()}
            config = default_config("macql", dataset.spec.action_kind)
            configs[kind] = {
                name: getattr(config, name) for name in ("width", "memory", "batch_size", "window")
            } | {"horizon": config.imagination.horizon, "share": config.imagination.share}
    settings = {
        "scenarios": {kind: SCENARIOS[kind] for kind in arguments.kinds},
        "macql": configs,
        "threads": arguments.threads,
        "rounds": rounds,
        **sizes._asdict(),
    }
    record("policies", where, figures, settings, arguments.results)


def prepare(scenario: str, sizes: Sizes, folder: Path) -> tuple[Dataset, Path, Path]:
    """Collect a dataset, and train a world model and a policy on it, briefly."""
    dataset = collect(CollectConfig(scenario, steps=sizes.transitions), folder / "data")
    steps = sizes.model_steps
    brief = override(
        WorldModelConfig(),
        [f"steps={steps}", f"log_every={steps}", f"validate_every={steps}"],
    )
    model = train_world_model(dataset, brief, 0, folder / "model", [])
    config = override(
        default_config("macql", dataset.spec.action_kind),
        ["steps=1", "log_every=1", "checkpoint_every=1"],
    )
    return dataset, model, train_policy(dataset, config, 0, folder / "policy", loggers=[])


def start(
    dataset: Dataset, model: Path, policy: Path, sizes: Sizes, threads: int
) -> dict[str, Worker]:
    """The workers of one kind of action: trainings, the same on one batch, and evaluation."""

    def worker(*words: object) -> Worker:
        return Worker([sys.executable], "policy_worker.py", [str(word) for word in words], threads)

    learn = ("learn", dataset.path, "--steps", sizes.steps)
    settings = ("--settings", *sizes.settings)
    imagine = ("--model", model)
    repeat = ("--batches", "one")
    return {
        REAL: worker(*learn, *settings),
        REAL + _ONE: worker(*learn, *repeat, *settings),
        IMAGINED: worker(*learn, *imagine, *settings),
        IMAGINED + _ONE: worker(*learn, *imagine, *repeat, *settings),
        EVALUATION: worker("evaluate", policy, "--episodes", sizes.episodes),
    }


def measure(workers: Mapping[str, Worker], rounds: int) -> dict[str, Any]:
    """Rates, shares of the time and memory, from turns of all workers."""
    with ExitStack() as stack:
        for worker in workers.values():
            stack.enter_context(worker)
        answers = alternate(workers, rounds)
    found: dict[str, Any] = {}
    for name in (REAL, IMAGINED):
        found[name] = figure([told["rate"] for told in answers[name]], "steps/s")
        for part, values in shares(answers[name], answers[name + _ONE]).items():
            found[f"{name}, share of {part}"] = figure(values, "of 1")
        found[f"{name}, peak memory"] = figure([answers[name][-1]["peak_mib"]], "MiB")
    told = answers[EVALUATION]
    found[EVALUATION] = figure([one["rate"] for one in told], "episodes/s")
    found[f"{EVALUATION}, peak memory"] = figure([told[-1]["peak_mib"]], "MiB")
    return found


def shares(
    fresh: Sequence[Mapping[str, float]], repeated: Sequence[Mapping[str, float]]
) -> dict[str, list[float]]:
    """Where a step's time goes, round by round; the parts add up to 1.

    Args:
      fresh: seconds of each turn: of all of it, of its graph calls, of its rollouts.
      repeated: the same of the training that is handed one batch again and again, so that its
        graph calls learn and sample nothing.

    Returns:
      Shares of the time: sampling, imagination, learning, and Python, which is the rest.
    """
    parts: dict[str, list[float]] = {
        name: [] for name in ("sampling", "imagination", "learning", "Python", "sampling + Python")
    }
    for one, other in zip(fresh, repeated, strict=True):
        whole = one["seconds"]
        sampling = (one["graph"] - other["graph"]) / whole
        python = (whole - one["graph"] - one["imagining"]) / whole
        parts["sampling"].append(sampling)
        parts["imagination"].append(one["imagining"] / whole)
        parts["learning"].append(other["graph"] / whole)
        parts["Python"].append(python)
        parts["sampling + Python"].append(sampling + python)
    return parts


if __name__ == "__main__":
    main()
