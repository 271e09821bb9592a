"""What an experiment's finished cells found, as one table."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from logo_tf.evaluation.aggregation import Aggregate, Estimate, aggregate, means
from logo_tf.experiments.config import Quality
from logo_tf.experiments.experiment import read_times
from logo_tf.experiments.folders import cell_folder
from logo_tf.experiments.jobs import DatasetJob, PolicyJob, ReferencesJob, WorldModelJob, jobs
from logo_tf.experiments.matrix import Claim, ExperimentConfig, Task


class Cell(NamedTuple):
    """One policy: an arm on a task with a seed, and what it earns, planned or not.

    score: its mean return where that of random actions is 0 and that of the expert 100;
    minutes: the training of the policy took, over all its parts; dataset, world_model,
    policy, evaluation: sha256 of the artefacts' manifests, empty where there is none.
    """

    scenario: str
    quality: Quality
    arm: str
    seed: int
    return_mean: float
    return_std: float
    return_min: float
    return_max: float
    episodes: int
    won_share: float | None
    score: float
    steps: int
    minutes: float
    dataset: str
    world_model: str
    policy: str
    evaluation: str

    @property
    def task(self) -> Task:
        """Its dataset."""
        return Task(self.scenario, self.quality)


class Model(NamedTuple):
    """One world model and its open-loop errors on validation episodes.

    state, observations: after 1, 5 and 15 steps, over those of persistence; not a number
    where no episode is so long.
    """

    scenario: str
    quality: Quality
    model: str
    seed: int
    state: tuple[float, ...]
    observations: tuple[float, ...]

    @property
    def task(self) -> Task:
        """The dataset."""
        return Task(self.scenario, self.quality)


class Reference(NamedTuple):
    """Mean returns that are scores of 0 and 100."""

    random: float
    expert: float

    def score(self, earned: float) -> float:
        """A return as a score; not a number where the two are equal."""
        span = self.expert - self.random
        return 100.0 * (earned - self.random) / span if span else math.nan


@dataclasses.dataclass(frozen=True)
class Results:
    """An experiment's results so far.

    Attributes:
      config: the experiment.
      cells: the finished ones, in the experiment's order.
      data: task -> mean return and score of the dataset itself.
      references: scenario -> its scores of 0 and 100.
      models: the finished world models that arms imagine with.
      missing: how many cells are not finished.
      hours: of computing, over all jobs.
    """

    config: ExperimentConfig
    cells: list[Cell]
    data: dict[Task, tuple[float, float]]
    references: dict[str, Reference]
    models: list[Model]
    missing: int
    hours: float

    @property
    def tasks(self) -> list[Task]:
        """Every dataset of the experiment."""
        return self.config.tasks

    @property
    def seeds(self) -> list[int]:
        """Those of which every arm has finished every task: what can be aggregated."""
        wanted = len(self.tasks) * len(self.config.judged)
        found = [cell.seed for cell in self.cells]
        return [seed for seed in self.config.seeds if found.count(seed) == wanted]

    def scores(self) -> dict[str, np.ndarray]:
        """Arm -> (K, M): the score of each of ``seeds`` on each of ``tasks``."""
        found = {(cell.arm, cell.seed, cell.task): cell.score for cell in self.cells}
        return {
            arm: np.array([[found[arm, seed, task] for task in self.tasks] for seed in self.seeds])
            for arm in self.config.judged
        }

    @functools.cached_property
    def aggregate(self) -> Aggregate | None:
        """Statistics over ``seeds`` and ``tasks``; None while no seed is whole."""
        return aggregate(self.scores(), self.config.compared) if self.seeds else None

    def gain(self, claim: Claim) -> dict[Task | None, Estimate]:
        """How much more a claim's better arm earns, on each task, and under None on all.

        Mean difference of scores over ``seeds``; a seed's two runs are a pair, since they
        share the split of the data and, where both imagine, the world model.
        """
        scores = self.scores()
        gains = scores[claim.better] - scores[claim.than]
        parts: dict[Task | None, np.ndarray] = {
            task: gains[:, place : place + 1] for place, task in enumerate(self.tasks)
        }
        return {task: means({"": part})[""] for task, part in {**parts, None: gains}.items()}

    def csv(self) -> str:
        """One line a cell, under the names of ``Cell``."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Cell._fields)
        writer.writerows(self.cells)
        return stream.getvalue()


def read_results(config: ExperimentConfig, out: Path) -> Results:
    """Read every finished cell that is of this experiment.

    Args:
      config: the experiment.
      out: its folder.

    Raises:
      LogoError: an artefact cannot be read.
    """
    every, times = jobs(config), read_times(out)
    references: dict[str, Reference] = {}
    data: dict[Task, tuple[float, float]] = {}
    cells: list[Cell] = []
    models: list[Model] = []
    for scenario in config.scenarios:
        found = ReferencesJob(config, scenario).found(out)
        if found is not None:
            players = (found.figures[name]["return_mean"] for name in ("random", "expert"))
            references[scenario] = Reference(*players)
    for task in config.tasks:
        dataset = DatasetJob(config, *task).found(out)
        if dataset is None or task.scenario not in references:
            continue
        reference = references[task.scenario]
        earned = dataset.figures["return_mean"]
        data[task] = earned, reference.score(earned)
        for seed in config.seeds:
            for model in config.asked_models:
                trained = WorldModelJob(config, *task, model, seed).found(out)
                if trained is not None:
                    state, seen = (
                        tuple(math.nan if error is None else error for error in found.values())
                        for found in (
                            trained.figures["state_nrmse"],
                            trained.figures["obs_nrmse"],
                        )
                    )
                    models.append(Model(*task, model, seed, state, seen))
            for arm in config.judged:
                evaluation = every[f"{cell_folder(*task, arm, seed)}/evaluation"]
                learned = every[evaluation.needs["policy"]]
                judged, policy = evaluation.found(out), learned.found(out)
                if judged is None or policy is None:
                    continue
                figures = judged.figures["policy"]
                cells.append(
                    Cell(
                        *task,
                        arm=arm,
                        seed=seed,
                        return_mean=figures["return_mean"],
                        return_std=figures["return_std"],
                        return_min=figures["return_min"],
                        return_max=figures["return_max"],
                        episodes=figures["episodes"],
                        won_share=figures.get("won_share"),
                        score=reference.score(figures["return_mean"]),
                        steps=policy.figures["steps"],
                        minutes=round(times.get(learned.name, 0.0) / 60, 2),
                        dataset=dataset.hash,
                        world_model=policy.parents.get("world_model", ""),
                        policy=policy.hash,
                        evaluation=judged.hash,
                    )
                )
    wanted = len(config.tasks) * len(config.judged) * len(config.seeds)
    hours = sum(times.values()) / 3600
    return Results(config, cells, data, references, models, wanted - len(cells), hours)


def curves(config: ExperimentConfig, out: Path, task: Task) -> Mapping[str, list[Path]]:
    """Arm -> the metrics of its finished trainings on a task, by seed."""
    return {
        arm.name: [
            place
            for seed in config.seeds
            if (place := out / PolicyJob(config, *task, arm, seed).name).is_dir()
        ]
        for arm in config.arms
    }
