"""New datasets: behaviour policies play a scenario, and what they did is stored."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from logo_tf import config as configs
from logo_tf import seeds
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.disk import sha256
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.metrics import progress
from logo_tf.scenarios.behaviour import (
    INDEX_FILE,
    Behaviour,
    behaviour_folder,
    behaviour_policies,
    read_behaviour_index,
    script_mix,
)
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Lockstep, Scenario, TeamPolicy
from logo_tf.scenarios.registry import make_scenario, scenario_spec
from logo_tf.scenarios.smax_script import ScriptedPolicy
from logo_tf.specs import ScenarioSpec

Quality = Literal["random", "medium-replay", "medium", "medium-expert", "expert"]

# Scenario copies that a policy plays at once: one call of the policy serves them all.
# Scenarios that step in one call as well say themselves how many suit them. Episodes do
# not depend on it.
_COPIES = 8


@dataclasses.dataclass(frozen=True)
class CollectConfig:
    """What to collect.

    Attributes:
      scenario: a name of ``logo-tf scenarios``.
      quality: how good the behaviour is; ``medium-replay`` mixes the snapshots of one
        training run up to the medium one, ``medium-expert`` the medium and the best.
      steps: transitions; collection stops at the first end of an episode at or past it.
      seed: fixes every episode.
      behaviour: ``shipped`` are the learned policies where such are shipped, and the
        script where not; ``script`` is the script, which plays SMAX alone.
    """

    scenario: str = "mamujoco/HalfCheetah-2x3"
    quality: Quality = "medium-replay"
    steps: int = 100_000
    seed: int = 0
    behaviour: Behaviour = "shipped"

    def __post_init__(self) -> None:
        configs.require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")


def collect(config: CollectConfig, out: str | Path) -> Dataset:
    """Play episodes and store them; the same config makes the same episodes.

    The behaviour policies take turns so that at any moment each has played its share
    of the transitions: any part of the dataset holds all of them.

    Args:
      config: what to collect.
      out: the dataset folder to make; nothing is left there when it fails.

    Returns:
      The dataset, opened.

    Raises:
      LogoError: unknown scenario or quality, no behaviour policy or script for it, or
        ``out`` exists or cannot be written.
    """
    out = Path(out)
    if out.exists():  # before the policies are loaded, which takes seconds
        raise LogoError(f"{out}: already exists; choose another folder or remove it first")
    policies = behaviour_policies(config.scenario, config.quality, behaviour=config.behaviour)
    spec = scenario_spec(config.scenario)
    with contextlib.ExitStack() as stack:
        streams = [
            (share, _stream(stack, config, spec, share, policy, number))
            for number, (share, policy) in enumerate(policies)
        ]
        dataset = write_dataset(
            out,
            spec,
            _until(config.steps, streams, f"collect {config.quality}"),
            config=configs.to_dict(config),
            provenance=_provenance(config, spec),
            source=config.scenario,
        )
    return dataset


def _stream(
    stack: contextlib.ExitStack,
    config: CollectConfig,
    spec: ScenarioSpec,
    share: float,
    policy: TeamPolicy,
    number: int,
) -> Iterator[Episode]:
    """Endless episodes of one policy, on scenario copies that the stack closes."""
    needed = math.ceil(config.steps * share / spec.episode_limit)
    copies: list[Scenario] = [make_scenario(config.scenario)]
    stack.callback(copies[0].close)
    wanted = copies[0].lanes if isinstance(copies[0], Lockstep) else _COPIES
    for _ in range(1, min(wanted, needed)):
        copies.append(make_scenario(config.scenario))
        stack.callback(copies[-1].close)
    # Every episode has a step at least, so this many suffice; they are played as needed.
    return play(copies, policy, config.steps, seeds.derive(config.seed, "collect", number))


def _until(
    steps: int, streams: list[tuple[float, Iterator[Episode]]], label: str
) -> Iterator[Episode]:
    """Take the next episode from the stream that lags most behind its share."""
    played = [0] * len(streams)
    bar = progress(label, steps, unit="step")
    try:
        while sum(played) < steps:
            behind = [count / share for count, (share, _) in zip(played, streams, strict=True)]
            turn = behind.index(min(behind))
            episode = next(streams[turn][1])
            played[turn] += episode.length
            yield episode
            bar.update(min(episode.length, steps - bar.n))
    finally:
        bar.close()


def _provenance(config: CollectConfig, spec: ScenarioSpec) -> dict[str, Any]:
    """Where the episodes come from: environment, and which behaviour policies by version."""
    provenance: dict[str, Any] = {
        "environment": spec.environment,
        "quality": config.quality,
        "seed": config.seed,
    }
    if config.quality == "random":
        return provenance
    epsilons = script_mix(config.scenario, config.quality, behaviour=config.behaviour)
    if epsilons is not None:
        script = f"{ScriptedPolicy.__module__}.{ScriptedPolicy.__qualname__}"
        return {**provenance, "behaviour": {"script": script, "epsilons": list(epsilons)}}
    index = read_behaviour_index(config.scenario)
    folder = behaviour_folder(config.scenario)
    return {
        **provenance,
        "behaviour": {
            "policies": folder.name,
            "index_sha256": sha256(folder / INDEX_FILE),
            "qualities": index["qualities"],
            "versions": index["versions"],
        },
    }
