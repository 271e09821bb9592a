"""What a run is made of: the settings of every stage, and the presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.registry import default_config
from logo_tf.config import require
from logo_tf.errors import LogoError, nearest
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.world_model.config import WorldModelConfig

Quality = Literal["random", "medium-replay", "medium", "medium-expert", "expert"]


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """How the dataset is collected.

    Attributes:
      quality: which shipped behaviour policies play, and in which shares.
      steps: transitions to collect, at least; episodes are played to their end.
    """

    quality: Quality = "medium-replay"
    steps: int = 100_000

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"dataset.steps must be at least 1, got {self.steps}")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How what was learned is judged.

    Attributes:
      episodes: played with each of the policy, behaviour cloning and random actions.
      horizons: open-loop steps after which the world model's error is measured; 1, 5
        and 15 are always among them, since the summary shows these.
      imagined: transitions imagined by the final policy, to look at the weights.
      frames: pictures in the strip of the team acting; 0 draws none.
      frame_every: steps between two pictures.
      curve_every: gradient steps between two looks at a policy's return in training;
        they draw the report's curve and choose nothing.
      curve_episodes: episodes of each look.
    """

    episodes: int = 20
    horizons: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15)
    imagined: int = 5000
    frames: int = 8
    frame_every: int = 15
    curve_every: int = 4000
    curve_episodes: int = 5

    def __post_init__(self) -> None:
        for name in ("episodes", "imagined", "frame_every", "curve_every", "curve_episodes"):
            value = getattr(self, name)
            require(value >= 1, f"evaluation.{name} must be at least 1, got {value}")
        require(self.frames >= 0, f"evaluation.frames must not be negative, got {self.frames}")
        require(
            min(self.horizons, default=0) >= 1 and {1, 5, 15} <= set(self.horizons),
            f"evaluation.horizons must hold 1, 5 and 15 and nothing below 1, got {self.horizons}",
        )


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides what ``logo-tf run`` leaves.

    Attributes:
      scenario: a name that ``logo-tf scenarios`` lists.
      seed: of every random number; each stage draws from a stream of its own.
      dataset: how the dataset is collected.
      world_model: how the world model is built and trained.
      policy: how the policy is learned, imagination included.
      bc: how its baseline, behaviour cloning, is learned.
      evaluation: how they are judged.
    """

    scenario: str = "mamujoco/HalfCheetah-2x3"
    seed: int = 0
    dataset: DatasetConfig = dataclasses.field(default_factory=DatasetConfig)
    world_model: WorldModelConfig = dataclasses.field(default_factory=WorldModelConfig)
    policy: PolicyConfig = dataclasses.field(default_factory=PolicyConfig)
    bc: PolicyConfig = dataclasses.field(default_factory=lambda: PolicyConfig(algorithm="bc"))
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}")
        require(
            self.policy.algorithm != "bc",
            "policy.algorithm is 'bc', which learns from real data alone and is the baseline "
            "already; choose one that imagined data can feed, such as 'matd3bc'",
        )
        require(
            self.bc.algorithm == "bc",
            f"bc.algorithm is {self.bc.algorithm!r}, but bc is the behaviour cloning baseline; "
            "leave it at 'bc'",
        )


def preset(name: str) -> RunConfig:
    """Return a preset.

    Raises:
      LogoError: the name is unknown; the message names the nearest.
    """
    presets = {"quickstart": _quickstart, "smax": _smax, "smoke": _smoke}
    if name not in presets:
        raise LogoError(f"unknown preset {name!r}; {nearest(name, presets)}")
    return presets[name]()


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """Return the first dotted key on which two configs differ, and both values.

    Returns:
      (key, our value, their value), a value that is absent being ``None``; ("", None,
      None) where they are equal.
    """
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        mine, yours = ours.get(key), theirs.get(key)
        if mine == yours:
            continue
        if isinstance(mine, Mapping) and isinstance(yours, Mapping):
            inner, mine, yours = first_difference(mine, yours)
            return f"{key}.{inner}", mine, yours
        return key, mine, yours
    return "", None, None


def _quickstart() -> RunConfig:
    """Ten minutes on two cores, the report included.

    The policy takes as many steps as the time allows: with 8000 some teams ended on their
    backs in the first steps of an episode, with 20 000 none did, on three seeds.
    """
    return RunConfig(policy=PolicyConfig(steps=20_000))


def _smax() -> RunConfig:
    """A StarCraft-like battle, with agents that choose and remember."""
    return RunConfig(
        scenario="smax/3m",
        dataset=DatasetConfig(steps=50_000),
        world_model=WorldModelConfig(steps=3000),
        policy=dataclasses.replace(default_config("macql", "discrete"), steps=4000),
        evaluation=EvaluationConfig(episodes=100, curve_every=1000, curve_episodes=20),
    )


def _smoke() -> RunConfig:
    """Every stage in under a minute; it shows that the parts fit, and learns nothing."""
    policy = PolicyConfig(
        width=16,
        steps=200,
        batch_size=32,
        log_every=50,
        checkpoint_every=100,
        imagination=ImaginationConfig(horizon=3),
    )
    return RunConfig(
        dataset=DatasetConfig(steps=4000),
        world_model=WorldModelConfig(
            width=16,
            steps=200,
            batch_size=32,
            log_every=50,
            validate_every=100,
            validation_windows=16,
        ),
        policy=policy,
        bc=dataclasses.replace(policy, algorithm="bc"),
        evaluation=EvaluationConfig(
            episodes=2, imagined=200, frames=2, curve_every=100, curve_episodes=1
        ),
    )
