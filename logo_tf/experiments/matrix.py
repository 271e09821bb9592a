"""What an experiment is made of: scenarios x qualities x arms x seeds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from logo_tf.agents.config import PlannerConfig, PlanningConfig, PolicyConfig
from logo_tf.agents.registry import algorithm, default_config
from logo_tf.config import from_dict, override, read_json, require
from logo_tf.errors import LogoError, nearest
from logo_tf.experiments.config import Quality
from logo_tf.experiments.folders import folder_name
from logo_tf.scenarios.registry import scenario_spec
from logo_tf.specs import ActionKind
from logo_tf.world_model.config import WorldModelConfig


class Task(NamedTuple):
    """One dataset."""

    scenario: str
    quality: Quality

    def __str__(self) -> str:
        return f"{self.scenario.rpartition('/')[2]} {self.quality}"


@dataclasses.dataclass(frozen=True)
class ModelArm:
    """A way to train world models.

    Attributes:
      name: what arms call it.
      settings: over the experiment's own, as ``--set`` takes them: ``kind=monolithic``.
    """

    name: str
    settings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Arm:
    """A way to learn policies.

    Attributes:
      name: what tables call it.
      algorithm: a name of ``agents.registry``.
      model: the name of the world model that it imagines with; empty is none.
      settings: over the experiment's own, as ``--set`` takes them:
        ``imagination.sampler=uniform``.
    """

    name: str
    algorithm: str
    model: str = ""
    settings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PlannedArm:
    """A planner around what an arm has learned, in the world model that it imagined with.

    Nothing is trained for it: it plays the arm's episodes once more.

    Attributes:
      name: what tables call it.
      arm: the name of the arm, which has a model.
      settings: as ``logo-tf policy eval --set`` takes them: ``planner.horizon=3``.
    """

    name: str
    arm: str
    settings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Claim:
    """That one arm earns more than another; an experiment says whether it does.

    Attributes:
      says: what it means, in words.
      better: the name of the arm that should earn more.
      than: the name of the other.
    """

    says: str
    better: str
    than: str


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """Every cell of an experiment.

    Each scenario and quality has one dataset. Each seed splits it anew, and trains the
    world models and the policies of every arm; arms of one world model share it.

    Attributes:
      scenarios: names that ``logo-tf scenarios`` lists.
      qualities: of the datasets.
      arms: how policies are learned.
      models: how world models are trained.
      planned: arms that are judged once more, under a planner.
      seeds: one training of everything each.
      dataset_steps: transitions of a dataset.
      dataset_seed: fixes the datasets.
      policy: settings that every arm starts from, over its algorithm's defaults.
      world_model: likewise of every world model.
      baseline: the arm that the others are compared with; empty is the first.
      claims: what the experiment is to find out, beside that.
      episodes: played with each policy.
      reference_episodes: played with random actions and with the expert, which are
        scores of 0 and 100.
      curve_every: gradient steps between two looks at a policy's return in training;
        0 never looks. They choose nothing.
      curve_episodes: episodes of each look.
    """

    scenarios: tuple[str, ...]
    qualities: tuple[Quality, ...]
    arms: tuple[Arm, ...]
    models: tuple[ModelArm, ...] = ()
    planned: tuple[PlannedArm, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    dataset_steps: int = 100_000
    dataset_seed: int = 0
    policy: tuple[str, ...] = ()
    world_model: tuple[str, ...] = ()
    baseline: str = ""
    claims: tuple[Claim, ...] = ()
    episodes: int = 32
    reference_episodes: int = 128
    curve_every: int = 0
    curve_episodes: int = 8

    def __post_init__(self) -> None:
        for name in ("scenarios", "qualities", "arms", "seeds"):
            values = getattr(self, name)
            require(len(values) > 0, f"experiment: {name} is empty; name one at least")
        for name in ("dataset_steps", "episodes", "reference_episodes", "curve_episodes"):
            value = getattr(self, name)
            require(value >= 1, f"experiment: {name} must be at least 1, got {value}")
        require(
            self.curve_every >= 0,
            f"experiment: curve_every must not be negative, got {self.curve_every}",
        )
        for seed in (*self.seeds, self.dataset_seed):
            require(seed >= 0, f"experiment: seeds must not be negative, got {seed}")
        arms, models = [arm.name for arm in self.arms], [model.name for model in self.models]
        judged = self.judged
        for what, names in (
            ("scenario", self.scenarios),
            ("quality", self.qualities),
            ("seed", self.seeds),
            ("arm", [folder_name(arm) for arm in judged]),
            ("model", [folder_name(model) for model in models]),
        ):
            _require_once(what, names)
        for arm in self.arms:
            require(
                not arm.model or arm.model in models,
                f"experiment: arm {arm.name!r} imagines with {arm.model!r}, which is none of its "
                f"models; {nearest(arm.model, models) if models else 'name it under models'}",
            )
        for planned in self.planned:
            require(
                planned.arm in arms,
                f"experiment: {planned.name!r} plans for arm {planned.arm!r}, which there is not; "
                f"{nearest(planned.arm, arms)}",
            )
            require(
                bool(self.arm(planned.arm).model),
                f"experiment: {planned.name!r} plans for arm {planned.arm!r}, which has no model "
                "to plan in; plan for an arm that has one",
            )
        require(
            not self.baseline or self.baseline in judged,
            f"experiment: no arm {self.baseline!r}, its baseline; {nearest(self.baseline, judged)}",
        )
        for claim in self.claims:
            for name in (claim.better, claim.than):
                require(
                    name in judged,
                    f"experiment: claim {claim.says!r} is of arm {name!r}, which there is not; "
                    f"{nearest(name, judged)}",
                )

    @property
    def tasks(self) -> list[Task]:
        """Every dataset."""
        return [Task(s, q) for s in self.scenarios for q in self.qualities]

    @property
    def asked_models(self) -> list[str]:
        """The names of the world models that arms imagine with."""
        return list(dict.fromkeys(arm.model for arm in self.arms if arm.model))

    @property
    def judged(self) -> list[str]:
        """The names of all that is compared: the arms, then the planned ones."""
        return [arm.name for arm in self.arms] + [planned.name for planned in self.planned]

    @property
    def compared(self) -> str:
        """The name of the arm that the others are compared with."""
        return self.baseline or self.arms[0].name

    def arm(self, name: str) -> Arm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    def policy_config(self, arm: Arm, kind: ActionKind) -> PolicyConfig:
        """An arm's settings for one kind of action.

        Raises:
          LogoError: the algorithm does not fit the kind, or a setting does not fit.
        """
        with _named(f"arm {arm.name!r}"):
            base = default_config(arm.algorithm, kind)
            return override(base, (*self.policy, *arm.settings))

    def planner_config(self, planned: PlannedArm) -> PlannerConfig:
        """A planner's settings.

        Raises:
          LogoError: a setting does not fit.
        """
        with _named(f"arm {planned.name!r}"):
            return override(PlanningConfig(), planned.settings).planner

    def model_config(self, name: str) -> WorldModelConfig:
        """A world model's settings.

        Raises:
          LogoError: a setting does not fit.
        """
        model = next(model for model in self.models if model.name == name)
        with _named(f"model {name!r}"):
            return override(WorldModelConfig(), (*self.world_model, *model.settings))


def read_config(file: str | Path, settings: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment from a JSON file.

    Args:
      file: what ``ExperimentConfig`` holds; ``arms``, ``models``, ``planned`` and
        ``claims`` are lists of objects.
      settings: over it, as ``--set`` takes them: ``seeds=[0,1]``.

    Raises:
      LogoError: a file that cannot be read, an unknown key, or a value that does not fit.
    """
    return override(from_dict(ExperimentConfig, read_json(file), str(file)), settings)


def check(config: ExperimentConfig) -> None:
    """Find what could only fail hours later.

    Raises:
      LogoError: an unknown scenario, an algorithm that does not fit its actions, an arm
        whose algorithm does not imagine but has a model, or a setting that does not fit.
    """
    for model in config.models:
        config.model_config(model.name)
    for planned in config.planned:
        config.planner_config(planned)
    for scenario in config.scenarios:
        spec = scenario_spec(scenario)
        for arm in config.arms:
            policy = config.policy_config(arm, spec.action_kind)
            entry = algorithm(policy.algorithm, spec)
            require(
                not arm.model or policy.imagination.share > 0,
                f"experiment: arm {arm.name!r} has a model but imagination.share=0, so it would "
                "never be asked; leave one of them out",
            )
            require(
                not arm.model or entry.imagination == "mixed",
                f"experiment: arm {arm.name!r}: {policy.algorithm} learns from real data alone; "
                "leave its model out",
            )


def _require_once(what: str, names: Sequence[object]) -> None:
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    require(not twice, f"experiment: {what} {twice[0] if twice else ''} is there twice")


@contextlib.contextmanager
def _named(who: str) -> Iterator[None]:
    """Say whose settings an error is about."""
    try:
        yield
    except LogoError as error:
        raise LogoError(f"experiment: {who}: {error}") from None
