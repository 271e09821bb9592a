"""Picks, measures and ships snapshots of a behaviour policy's training."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf.agents.behaviour import PolicyWeights
from logo_tf.agents.behaviour_export import export_behaviour
from logo_tf.errors import LogoError
from logo_tf.scenarios.behaviour import INDEX_FILE, SCRIPT, behaviour_folder
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Scenario, TeamPolicy
from logo_tf.scenarios.saved_policy import saved_policy
from logo_tf.specs import ScenarioSpec


@dataclasses.dataclass(frozen=True)
class Record:
    """What a policy earned.

    Attributes:
      returns: returns of exploring episodes.
      won: share of them that were won, where the scenario tells and it was measured.
    """

    returns: tuple[float, ...]
    won: float | None = None

    @property
    def mean_return(self) -> float:
        """Mean of ``returns``."""
        return float(np.mean(self.returns))

    def figures(self) -> dict[str, Any]:
        """What ``behaviour.json`` says of it."""
        figures = {
            "return_mean": rounded(self.mean_return),
            "return_std": rounded(float(np.std(self.returns))),
            "return_min": rounded(min(self.returns)),
            "return_max": rounded(max(self.returns)),
            "episodes": len(self.returns),
        }
        return figures if self.won is None else {**figures, "won_share": rounded(self.won)}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A policy on its way.

    Attributes:
      steps: environment steps it was trained for.
      weights: the policy.
      record: what it earned while training, or afterwards when it was measured.
    """

    steps: int
    weights: PolicyWeights
    record: Record

    @property
    def mean_return(self) -> float:
        """Mean of the record's returns."""
        return self.record.mean_return

    def figures(self) -> dict[str, Any]:
        """What ``behaviour.json`` says of it."""
        std = self.weights.exploration_std
        if std is None:
            return self.record.figures()
        return {**self.record.figures(), "exploration_std": [round(float(x), 4) for x in std]}


def spread(snapshots: Sequence[Snapshot], count: int) -> list[Snapshot]:
    """Pick up to ``count`` snapshots whose mean returns are spread evenly, first to best.

    For each of ``count`` evenly spaced returns it is the first snapshot to reach it that is
    picked: a later one with that mean tends to be a good policy that sometimes falls.

    Args:
      snapshots: in the order of training.
      count: at least 2.

    Returns:
      Snapshots in the order of training, without repeats; the best is the last.
    """
    values = np.array([snapshot.mean_return for snapshot in snapshots])
    targets = np.linspace(values[0], values.max(), count)
    targets[-1] = values.max()  # not a rounding error above it
    picks = {int(np.argmax(values >= target)) for target in targets}
    return [snapshots[pick] for pick in sorted(picks)]


def measure(
    scenarios: Sequence[Scenario], snapshot: Snapshot, episodes: int, seed: int
) -> Snapshot:
    """Return the snapshot with the record of fresh exploring episodes."""
    spec = scenarios[0].spec
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / str(snapshot.steps)
        export_behaviour(spec, snapshot.weights, path)
        policy = saved_policy(spec, path, snapshot.weights.exploration_std)
        return dataclasses.replace(snapshot, record=record(scenarios, policy, episodes, seed))


def record(scenarios: Sequence[Scenario], policy: TeamPolicy, episodes: int, seed: int) -> Record:
    """Return what a policy earns in fresh episodes."""
    goal = scenarios[0].spec.win_reward
    played = list(play(scenarios, policy, episodes, seed))
    won = None
    if goal is not None:
        won = float(np.mean([np.max(episode.rewards) >= goal for episode in played]))
    return Record(tuple(episode.episode_return for episode in played), won)


def roles(
    snapshots: Sequence[Snapshot], medium_share: float, script: Record | None = None
) -> tuple[int, int]:
    """Decide which snapshots are called medium and expert.

    Args:
      snapshots: measured, in the order of training.
      medium_share: the medium policy is the one whose mean return is nearest to this
        share of the way from the first snapshot's to the best team's.
      script: what a script earned, where one plays; it may be the best team.

    Returns:
      Indices of the medium and of the snapshot with the largest mean return.
    """
    means = np.array([snapshot.mean_return for snapshot in snapshots])
    best = float(means.max())
    if script is not None:
        best = max(best, script.mean_return)
    target = means[0] + medium_share * (best - means[0])
    return int(np.argmin(np.abs(means - target))), int(np.argmax(means))


def ship(
    spec: ScenarioSpec,
    snapshots: Sequence[Snapshot],
    medium: int,
    expert: int,
    script: Record | None,
    directory: Path,
    details: dict[str, Any],
) -> Path:
    """Write the SavedModels and ``behaviour.json``, replacing what was shipped before.

    Only snapshots that some quality plays are written.

    Args:
      spec: of the scenario.
      snapshots: in the order of training, at least one. Their records are published, so
        they must come from episodes that nothing was chosen by: the best of many
        candidates looks better than it is on the episodes that made it the best.
      medium: index of the medium policy, see ``roles``.
      expert: index of the expert.
      script: what a script earned in the same episodes, where one plays; it is the expert
        if that is more.
      directory: such as ``saved_models``.
      details: more keys for ``behaviour.json``: command, seed, learning curve.

    Returns:
      The folder that was written.

    Raises:
      LogoError: no snapshot.
    """
    if not snapshots:
        raise LogoError("there is no snapshot to ship; train for more steps")
    scripted = script is not None and script.mean_return > snapshots[expert].mean_return
    kept = [
        snapshot
        for place, snapshot in enumerate(snapshots)
        if place <= medium or (place == expert and not scripted)
    ]
    folder = behaviour_folder(spec.name, directory)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for snapshot in kept:
        export_behaviour(spec, snapshot.weights, folder / str(snapshot.steps))
    index = {
        "scenario": spec.name,
        "spec": spec.to_dict(),
        "environment": spec.environment,
        "packages": {
            package: importlib.metadata.version(package)
            for package in ("tensorflow", "tf-agents", "numpy")
        },
        **details,
        "versions": {str(snapshot.steps): snapshot.figures() for snapshot in kept},
        **({} if script is None else {SCRIPT: script.figures()}),
        "qualities": {
            "medium-replay": [snapshot.steps for snapshot in snapshots[: medium + 1]],
            "medium": snapshots[medium].steps,
            "expert": SCRIPT if scripted else snapshots[expert].steps,
        },
    }
    text = json.dumps(index, indent=2)
    # Lists of numbers go on one line, so that the file can be read by people too.
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    (folder / INDEX_FILE).write_text(text + "\n", encoding="utf-8")
    return folder


def rounded(value: float) -> float:
    """Return a number to four digits, enough for returns of any size."""
    return float(f"{value:.4g}")
