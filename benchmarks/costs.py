"""What a training step of a world model costs: CPU seconds, models measured in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset
from logo_tf.reproducible import reproducible_graphs
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.optimizer import Adam
from logo_tf.world_model.registry import build
from logo_tf.world_model.trainer import GradientSteps


class StepCost(NamedTuple):
    """CPU seconds of one gradient step, one-step and with open-loop steps."""

    one_step: float
    unrolled: float


def step_costs(
    dataset: Dataset, configs: Mapping[str, WorldModelConfig], rounds: int = 10, every: int = 20
) -> dict[str, list[StepCost]]:
    """Time the trainer's own graphs on real batches, model by model, round after round.

    Args:
      dataset: the data.
      configs: name -> model.
      rounds: how often each model's turn comes.
      every: steps a turn, of either kind.

    Returns:
      Name -> costs of each round; tracing and a first portion are not counted.
    """
    costs: dict[str, list[StepCost]] = {name: [] for name in configs}
    with reproducible_graphs():
        turns = {
            name: [_turn(dataset, config, unroll, every) for unroll in (1, config.unroll)]
            for name, config in configs.items()
        }
        for _ in range(rounds):
            for name, (one_step, unrolled) in turns.items():
                costs[name].append(StepCost(one_step(), unrolled()))
    return costs


def median_cost(costs: list[StepCost]) -> StepCost:
    """The median of each kind of step."""
    return StepCost(*(statistics.median(kind) for kind in zip(*costs, strict=True)))


def _turn(
    dataset: Dataset, config: WorldModelConfig, unroll: int, every: int
) -> Callable[[], float]:
    """A function that takes ``every`` steps and returns the CPU seconds of one; traced."""
    model = build(config, dataset.spec, standardisation(dataset), seed=0)
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    optimizer = Adam(model.trainable_variables, config.clip_norm)
    steps = GradientSteps(model, optimizer, step, config, unroll)
    windows = config.batch_size // (model.context + unroll)
    batches = iter(pipeline.windows(dataset, None, unroll, windows, 0, 0, model.context))
    steps(batches, tf.constant(every))

    def turn() -> float:
        started = time.process_time()
        steps(batches, tf.constant(every))
        return (time.process_time() - started) / every

    return turn
