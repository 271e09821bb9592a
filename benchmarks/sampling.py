"""Batches from memory and from disk, beside NumPy and TFRecord files, and training on 10 GB.

    python benchmarks/sampling.py [--quick]

Every sampler and training is a process of its own; they take turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from processes import Worker, alternate
from random_episodes import VECTORS, random_episode
from recording import RESULTS, figure, machine, record

from logo_tf.data.store import Dataset, load_dataset, write_dataset
from logo_tf.episodes import Episode

_LENGTH = 1000  # transitions an episode
_DIFFERENT = 64  # episodes; further ones are these again
SAMPLERS = ("memory", "disk", "disk, columns", "numpy", "tfrecord")
STREAMS = ("transitions", "windows")
TRAININGS = ("world model", "matd3bc", "bc")


class Sizes(NamedTuple):
    """Everything that --quick makes smaller.

    small, large: bytes of a dataset that fits into memory and of one that need not; shard: of
    a dataset of records; batches, steps: of a turn; whole: steps of a whole training.
    """

    small: int = 2**28
    large: int = 10 * 10**9
    shard: int = 2**26
    batches: int = 500
    steps: int = 200
    whole: int = 500


QUICK = Sizes(2**20, 2**22, 2**18, 20, 20, 40)


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of every worker")
    parser.add_argument("--rounds", type=int, default=7, help="how often each takes its turn")
    parser.add_argument("--bytes", type=int, help="of the large dataset (10 GB)")
    parser.add_argument("--folder", type=Path, help="where the datasets are made and removed")
    parser.add_argument("--peaks", action="store_true", help="whole trainings' memory alone")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    sizes = sizes._replace(large=arguments.bytes or sizes.large)
    rounds = 2 if arguments.quick else arguments.rounds
    where, figures = machine(), {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(Path(folder), sizes, rounds, arguments.threads)
        if not arguments.peaks:
            for stream in STREAMS:
                figures |= bench.sampling(stream)
            for training in TRAININGS:
                figures |= bench.training(training)
        figures |= bench.peaks()
    settings = {
        "scenario": VECTORS.name,
        "bytes of a row": bench.row_bytes,
        "transitions": {name: data.num_transitions for name, data in bench.datasets.items()},
        "threads": arguments.threads,
        "rounds": rounds,
        **sizes._asdict(),
    }
    name = "sampling_peaks" if arguments.peaks else "sampling"
    record(name, where, figures, settings, arguments.results)


class Bench:
    """The datasets, and what is measured on them."""

    def __init__(self, folder: Path, sizes: Sizes, rounds: int, threads: int) -> None:
        """Write the datasets: one that fits as columns and as records, and the large one."""
        self._sizes, self._rounds, self._threads = sizes, rounds, threads
        self._paths = {name: folder / name for name in ("columns", "records", "large")}
        columns = random_dataset(self._paths["columns"], sizes.small, 2**40)
        self.datasets = {
            "columns": columns,
            "records": random_dataset(self._paths["records"], sizes.small, sizes.shard),
            "large": random_dataset(self._paths["large"], sizes.large, sizes.shard),
        }
        self.row_bytes = columns.rows.bytes // len(columns.rows)

    def sampling(self, stream: str) -> dict[str, dict]:
        """Batches a second, and ratios round by round to those from memory."""
        places = {
            "memory": ("columns", "memory"),
            "disk": ("records", "disk"),
            "disk, columns": ("columns", "disk"),
            "disk, large": ("large", "disk"),
            "numpy": ("columns", "numpy"),
            "tfrecord": ("columns", "tfrecord"),
        }
        return self._in_turn(f"{stream}, ", "batches/s", {
            name: ("sample", data, how, "--stream", stream, "--portion", self._sizes.batches)
            for name, (data, how) in places.items()
        })  # fmt: skip

    def training(self, name: str) -> dict[str, dict]:
        """Steps a second of the package's trainers, in memory, on disk, and on a large dataset."""
        places = {
            "memory": ("columns", "memory"),
            "disk": ("records", "disk"),
            "disk, large": ("large", "disk"),
        }
        return self._in_turn(f"{name}, ", "steps/s", {
            place: ("train", data, how, "--training", name, "--portion", self._sizes.steps)
            for place, (data, how) in places.items()
        })  # fmt: skip

    def peaks(self) -> dict[str, dict]:
        """Peak memory of whole trainings, validation and figures included, by default."""
        found = {}
        for data in ("columns", "large"):
            for training in TRAININGS[:2]:
                with self._worker(
                    "whole", data, "auto", "--training", training, "--portion", self._sizes.whole
                ) as worker:
                    peak = worker.answer()["peak_mib"]
                size = self.datasets[data].rows.bytes
                label = f"{training}, {size / 1e9:.3g} GB"
                found[f"{label}: peak memory"] = figure([peak], "MiB")
                found[f"{label}: peak over size"] = figure([peak * 2**20 / size], "")
        return found

    def _in_turn(self, label: str, unit: str, roles: dict[str, tuple]) -> dict[str, dict]:
        with ExitStack() as stack:
            workers = {
                name: stack.enter_context(self._worker(*role)) for name, role in roles.items()
            }
            answers = alternate(workers, self._rounds)
        rates = {name: [one["rate"] for one in found] for name, found in answers.items()}
        figures = {}
        for name, values in rates.items():
            figures[f"{label}{name}"] = figure(values, unit)
            if name != "memory":
                ratios = [ours / base for ours, base in zip(values, rates["memory"], strict=True)]
                figures[f"{label}{name} / memory"] = figure(ratios, "")
            peak = max(one["peak_mib"] for one in answers[name])
            figures[f"{label}{name}: peak memory"] = figure([peak], "MiB")
        return figures

    def _worker(self, role: str, data: str, how: str, *options: object) -> Worker:
        words = [role, self._paths[data], how, *options]
        return Worker([sys.executable], "sampling_worker.py", list(map(str, words)), self._threads)


def random_dataset(out: Path, size: int, shard_bytes: int) -> Dataset:
    """Episodes of normal numbers, about ``size`` bytes of them."""
    rng = np.random.default_rng(0)
    made = [random_episode(VECTORS, rng, _LENGTH) for _ in range(_DIFFERENT)]
    episode = made[0]
    fields = (episode.observations, episode.state, episode.actions, episode.rewards)
    each = sum(values.nbytes for values in (*fields, episode.agent_mask))

    def episodes() -> Iterator[Episode]:
        for number in range(max(size // each, 3)):
            yield made[number % _DIFFERENT]

    write_dataset(out, VECTORS, episodes(), {}, {}, shard_bytes=shard_bytes)
    return load_dataset(out, check="manifest")


if __name__ == "__main__":
    main()
