"""The jobs of an experiment, one class for each kind of artefact.

TensorFlow is imported by the job that needs it, so that an experiment with nothing left
to do ends in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.config import to_dict
from logo_tf.data.collect import CollectConfig, collect
from logo_tf.experiments.config import Quality
from logo_tf.experiments.folders import (
    cell_folder,
    folder_name,
    scenario_folder,
    task_folder,
)
from logo_tf.experiments.job import Job
from logo_tf.experiments.matrix import Arm, ExperimentConfig, PlannedArm
from logo_tf.scenarios.registry import scenario_spec
from logo_tf.seeds import derive

RETURNS = "returns.json"


class DatasetJob(Job):
    """The dataset of one scenario and quality."""

    kind = "dataset"

    def __init__(self, config: ExperimentConfig, scenario: str, quality: Quality) -> None:
        """Args: config: the experiment's; scenario, quality: of the dataset."""
        super().__init__(config, f"{task_folder(scenario, quality)}/dataset", {})
        self._collect = CollectConfig(scenario, quality, config.dataset_steps, config.dataset_seed)

    @property
    def settings(self) -> dict[str, Any]:
        """``CollectConfig``."""
        return to_dict(self._collect)

    def settings_of(self, manifest: Manifest) -> dict[str, Any]:
        """As ``settings``; of old, data did not say whether a script was asked for."""
        script = "script" in manifest.provenance.get("behaviour", {})
        return {"behaviour": "script" if script else "shipped", **manifest.config}

    def make_at(self, place: Path, out: Path) -> None:
        """Collect it."""
        collect(self._collect, place)


class ReferencesJob(Job):
    """What random actions and the expert earn in one scenario: scores of 0 and 100."""

    kind = "evaluation"

    def __init__(self, config: ExperimentConfig, scenario: str) -> None:
        """Args: config: the experiment's; scenario: which."""
        super().__init__(config, f"{scenario_folder(scenario)}/references", {})
        self._scenario = scenario

    @property
    def settings(self) -> dict[str, Any]:
        """How many episodes, and their seed."""
        seed = derive(self.config.dataset_seed, "references")
        return {"episodes": self.config.reference_episodes, "seed": seed}

    def make_at(self, place: Path, out: Path) -> None:
        """Play both."""
        from logo_tf.scenarios.behaviour import behaviour_policies

        players = {
            name: behaviour_policies(self._scenario, name)[0][1] for name in ("random", "expert")
        }
        _publish_returns(place, self._scenario, players, self.settings, {})


class WorldModelJob(Job):
    """One world model of one seed."""

    kind = "world_model"

    def __init__(
        self, config: ExperimentConfig, scenario: str, quality: Quality, model: str, seed: int
    ) -> None:
        """Args: config: the experiment's; model: the name of one of its models."""
        task = task_folder(scenario, quality)
        name = f"{task}/models/{folder_name(model)}/seed-{seed}"
        super().__init__(config, name, {"dataset": f"{task}/dataset"})
        self._model, self._seed = model, seed

    @property
    def settings(self) -> dict[str, Any]:
        """``WorldModelConfig`` and the seed."""
        return {"model": to_dict(self.config.model_config(self._model)), "seed": self._seed}

    def make_at(self, place: Path, out: Path) -> None:
        """Train it."""
        from logo_tf.data.store import load_dataset
        from logo_tf.world_model.trainer import train_world_model

        dataset = load_dataset(out / self.needs["dataset"], check="manifest")
        config = self.config.model_config(self._model)
        train_world_model(dataset, config, self._seed, place, [])


class PolicyJob(Job):
    """One arm's policy of one seed."""

    kind = "policy"

    def __init__(
        self, config: ExperimentConfig, scenario: str, quality: Quality, arm: Arm, seed: int
    ) -> None:
        """Args: config: the experiment's; arm: one of its arms."""
        task = task_folder(scenario, quality)
        needs = {"dataset": f"{task}/dataset"}
        if arm.model:
            needs["world_model"] = f"{task}/models/{folder_name(arm.model)}/seed-{seed}"
        super().__init__(config, f"{cell_folder(scenario, quality, arm.name, seed)}/policy", needs)
        self._scenario, self._arm, self._seed = scenario, arm, seed

    @property
    def settings(self) -> dict[str, Any]:
        """``PolicyConfig`` and the seed."""
        kind = scenario_spec(self._scenario).action_kind
        return {**to_dict(self.config.policy_config(self._arm, kind)), "seed": self._seed}

    def settings_of(self, manifest: Manifest) -> dict[str, Any]:
        """As ``settings``."""
        return {**manifest.config, "seed": manifest.provenance.get("seed")}

    def make_at(self, place: Path, out: Path) -> None:
        """Train it."""
        from logo_tf.agents.learner import train_policy
        from logo_tf.agents.probe import Probe
        from logo_tf.data.store import load_dataset
        from logo_tf.evaluation.returns import evaluate_policy
        from logo_tf.scenarios.protocol import TeamPolicy

        config, scenario, seed = self.config, self._scenario, derive(self._seed, "curve")

        def measure(policy: TeamPolicy) -> dict[str, float]:
            found = evaluate_policy(scenario, policy, config.curve_episodes, seed, None)
            return {"return_mean": found.mean}

        model = self.needs.get("world_model")
        train_policy(
            load_dataset(out / self.needs["dataset"], check="manifest"),
            config.policy_config(self._arm, scenario_spec(scenario).action_kind),
            self._seed,
            place,
            world_model=None if model is None else out / model,
            loggers=[],
            probe=Probe(config.curve_every, measure) if config.curve_every else None,
        )


class EvaluationJob(Job):
    """What one arm's policy of one seed earns; every arm begins in the same states."""

    kind = "evaluation"

    def __init__(
        self, config: ExperimentConfig, scenario: str, quality: Quality, arm: Arm, seed: int
    ) -> None:
        """Args: config: the experiment's; arm: one of its arms."""
        cell = cell_folder(scenario, quality, arm.name, seed)
        super().__init__(config, f"{cell}/evaluation", {"policy": f"{cell}/policy"})
        self._scenario, self._seed = scenario, seed

    @property
    def settings(self) -> dict[str, Any]:
        """How many episodes, and their seed."""
        return {"episodes": self.config.episodes, "seed": derive(self._seed, "evaluation")}

    def make_at(self, place: Path, out: Path) -> None:
        """Play."""
        from logo_tf.agents.policy import load_policy

        policy = out / self.needs["policy"]
        parents = {"policy": artifacts.load_manifest(policy).hash}
        players = {"policy": load_policy(policy)}
        _publish_returns(place, self._scenario, players, self.settings, parents)


class PlannedJob(Job):
    """What an arm's policy of one seed earns under a planner, in the arm's own episodes."""

    kind = "evaluation"

    def __init__(
        self,
        config: ExperimentConfig,
        scenario: str,
        quality: Quality,
        planned: PlannedArm,
        seed: int,
    ) -> None:
        """Args: config: the experiment's; planned: one of its planned arms."""
        learned = PolicyJob(config, scenario, quality, config.arm(planned.arm), seed)
        name = f"{cell_folder(scenario, quality, planned.name, seed)}/evaluation"
        needs = {"policy": learned.name, "world_model": learned.needs["world_model"]}
        super().__init__(config, name, needs)
        self._scenario, self._planned, self._seed = scenario, planned, seed

    @property
    def settings(self) -> dict[str, Any]:
        """How many episodes, their seed, and ``PlannerConfig``."""
        return {
            "episodes": self.config.episodes,
            "seed": derive(self._seed, "evaluation"),
            "planner": to_dict(self.config.planner_config(self._planned)),
        }

    def make_at(self, place: Path, out: Path) -> None:
        """Play, planning before every step."""
        from logo_tf.agents.planner import planner_of
        from logo_tf.agents.policy import load_policy
        from logo_tf.world_model.artifact import load_world_model

        needed = {role: out / name for role, name in self.needs.items()}
        parents = {role: artifacts.load_manifest(path).hash for role, path in needed.items()}
        planner = planner_of(
            load_policy(needed["policy"]),
            load_world_model(needed["world_model"]),
            self.config.planner_config(self._planned),
        )
        players = {"policy": planner}
        _publish_returns(place, self._scenario, players, self.settings, parents)


def jobs(config: ExperimentConfig) -> dict[str, Job]:
    """All jobs of an experiment by name, each after those it needs.

    Seed by seed, so that an experiment that is stopped early is one of fewer seeds.
    """
    return {job.name: job for job in _jobs(config)}


def _jobs(config: ExperimentConfig) -> Iterator[Job]:
    for scenario in config.scenarios:
        yield ReferencesJob(config, scenario)
    for task in config.tasks:
        yield DatasetJob(config, *task)
    for seed in config.seeds:
        for task in config.tasks:
            for model in config.asked_models:
                yield WorldModelJob(config, *task, model, seed)
            for arm in config.arms:
                yield PolicyJob(config, *task, arm, seed)
                yield EvaluationJob(config, *task, arm, seed)
            for planned in config.planned:
                yield PlannedJob(config, *task, planned, seed)


def _publish_returns(
    place: Path,
    scenario: str,
    players: Mapping[str, Any],
    settings: Mapping[str, Any],
    parents: Mapping[str, str],
) -> None:
    """Play with each and leave an artefact of their returns."""
    from logo_tf.evaluation.returns import evaluate_policy
    from logo_tf.reproducible import reproducible_graphs

    with artifacts.writing(place) as aside, reproducible_graphs():
        found = {
            name: evaluate_policy(scenario, policy, settings["episodes"], settings["seed"], None)
            for name, policy in players.items()
        }
        content = {name: returns.to_dict() for name, returns in found.items()}
        disk.write_text(aside / RETURNS, json.dumps(content, indent=1, allow_nan=False) + "\n")
        figures = {
            name: {key: value for key, value in part.items() if key != "returns"}
            for name, part in content.items()
        }
        artifacts.publish(
            place,
            Manifest(
                kind="evaluation",
                spec=scenario_spec(scenario).to_dict(),
                config=dict(settings),
                parents=dict(parents),
                figures=figures,
            ),
        )
