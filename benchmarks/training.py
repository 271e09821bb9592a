"""Training and imagination rates at HalfCheetah-2x3's sizes.

What is timed are the package's own trainers, by the times at which they log. How long a
step waits for data is what it saves when the pipeline hands out one batch again and again.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from random_episodes import VECTORS, random_episode
from recording import RESULTS, figure, machine, record

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.learner import train_policy
from logo_tf.agents.policy import load_policy
from logo_tf.data import pipeline
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.episodes import Episode
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.imagination.rollout import make_imagine
from logo_tf.world_model.artifact import load_world_model
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model


class Clock:
    """A ``MetricLogger`` that notes when each line of metrics comes."""

    def __init__(self) -> None:
        """Note nothing yet."""
        self.marks: list[tuple[int, float]] = []

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note the time of a step."""
        self.marks.append((step, time.perf_counter()))

    def close(self) -> None:
        """Nothing is held."""

    @property
    def rates(self) -> list[float]:
        """Steps per second between lines.

        The first line holds the tracing and the last one validation, and neither is here.
        """
        marks = self.marks[:-1]
        return [(b[0] - a[0]) / (b[1] - a[1]) for a, b in itertools.pairwise(marks)]


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1200, help="of each training")
    parser.add_argument("--repetitions", type=int, default=3, help="of each training")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    steps, repetitions = arguments.steps, arguments.repetitions
    if arguments.quick:
        steps, repetitions = 80, 1
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), steps, repetitions)
        figures = bench.measure()
    settings = {
        "agents": VECTORS.num_agents,
        "observation width": VECTORS.observation_dim,
        "state width": VECTORS.state_dim,
        "action width": VECTORS.action_dim,
        "steps of each training": steps,
        "repetitions of each training": repetitions,
        "transitions": bench.dataset.num_transitions,
        "world model": {"width": bench.model.width, "batch size": bench.model.batch_size},
        "policy": {"width": bench.policy.width, "batch size": bench.policy.batch_size},
        "imagination": {"branches": bench.branches, "horizon": bench.horizon},
    }
    record("training", where, figures, settings, arguments.results)


class Bench:
    """The measurements, one after the other, on one dataset."""

    branches, horizon = 1024, 15

    def __init__(self, folder: Path, steps: int, repetitions: int) -> None:
        """Write the dataset and fix the configs."""
        self.folder, self.repetitions = folder, repetitions
        every = max(steps // 8, 1)
        steps = every * 8
        self.dataset = random_dataset(folder / "data")
        self.model = WorldModelConfig(steps=steps, log_every=every, validate_every=steps)
        self.policy = PolicyConfig(
            steps=steps,
            log_every=every,
            checkpoint_every=steps,
            imagination=ImaginationConfig(refresh_every=every * 2),
        )
        self._runs = 0

    def measure(self) -> dict[str, Any]:
        """Every figure by name."""
        one_step = dataclasses.replace(self.model, unroll=1)
        unrolled = dataclasses.replace(self.model, unroll=4, unroll_share=1.0)
        model = self._train_model(one_step, Clock())
        found: dict[str, Any] = {}
        found |= self._compared(
            "world model, one-step", lambda clock: self._train_model(one_step, clock), "windows"
        )
        found |= self._compared(
            "world model, 4-step unroll",
            lambda clock: self._train_model(unrolled, clock),
            "windows",
        )
        for algorithm in ("bc", "matd3bc", "macql"):
            config = dataclasses.replace(self.policy, algorithm=algorithm)
            found |= self._compared(
                f"policy, {algorithm}",
                lambda clock, config=config: self._train_policy(config, None, clock),
                "transitions",
            )
        for algorithm in ("matd3bc", "macql"):
            config = dataclasses.replace(self.policy, algorithm=algorithm)
            rates = []
            for _ in range(self.repetitions):
                clock = Clock()
                self._train_policy(config, model, clock)
                rates += clock.rates
            found[f"policy, {algorithm} with imagination"] = figure(rates, "steps/s")
        policy = self._train_policy(dataclasses.replace(self.policy, algorithm="bc"), None, Clock())
        found["imagination"] = figure(self._imagine(model, policy), "states/s")
        return found

    def _compared(self, name: str, train: Callable[[Clock], Path], stream: str) -> dict[str, Any]:
        """A training's rate, and the share of a step that waits for data."""
        fed, repeated, waiting = [], [], []
        # Alternating, so that a machine that slows down slows both.
        for _ in range(self.repetitions):
            clock = Clock()
            train(clock)
            fed += clock.rates
            other = Clock()
            with one_batch(stream):
                train(other)
            repeated += other.rates
            waiting.append(1.0 - statistics.median(clock.rates) / statistics.median(other.rates))
        return {
            name: figure(fed, "steps/s"),
            f"{name}, one batch repeated": figure(repeated, "steps/s"),
            f"{name}, share of a step waiting": figure(waiting, "of 1"),
        }

    def _train_model(self, config: WorldModelConfig, clock: Clock) -> Path:
        return train_world_model(self.dataset, config, 0, self._next(), loggers=[clock])

    def _train_policy(self, config: PolicyConfig, model: Path | None, clock: Clock) -> Path:
        return train_policy(self.dataset, config, 0, self._next(), model, loggers=[clock])

    def _imagine(self, model: Path, policy: Path) -> list[float]:
        """States per second of whole rollouts, the policy's own work included."""
        imagine = make_imagine(
            load_world_model(model), load_policy(policy).graph_policy, self.horizon
        )
        start = next(iter(pipeline.transitions(self.dataset, None, self.branches, seed=0)))
        rates = []
        for i in range(3 + 5 * self.repetitions):
            begun = time.perf_counter()
            rollout = imagine(start, tf.constant([0, i]))
            rollout.uncertainty.numpy()
            rates.append(self.branches * self.horizon / (time.perf_counter() - begun))
        return rates[3:]

    def _next(self) -> Path:
        self._runs += 1
        return self.folder / f"run-{self._runs}"


def one_batch(stream: str) -> Any:
    """Patch a stream of the pipeline so that it hands out its first batch again and again."""
    real = getattr(pipeline, stream)

    def repeated(*arguments: Any, **named: Any) -> tf.data.Dataset:
        return real(*arguments, **named).take(1).cache().repeat()

    return mock.patch.object(pipeline, stream, repeated)


def random_dataset(out: Path) -> Dataset:
    """40 episodes of 250 transitions of unrelated normal numbers."""

    def episodes() -> Iterator[Episode]:
        rng = np.random.default_rng(0)
        for _ in range(40):
            yield random_episode(VECTORS, rng, 250)

    return write_dataset(out, VECTORS, episodes(), config={}, provenance={})


if __name__ == "__main__":
    main()
