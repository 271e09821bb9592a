"""The evaluation stage: policy, baselines, world model and imagination, part by part."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf import artifacts, disk
from logo_tf.config import to_dict
from logo_tf.experiments.config import RunConfig
from logo_tf.seeds import derive

if TYPE_CHECKING:
    from logo_tf.agents.policy import TrainedPolicy
    from logo_tf.data.store import Dataset
    from logo_tf.scenarios.protocol import TeamPolicy
    from logo_tf.world_model.protocol import WorldModel

PARTS = ("policy", "bc", "random", "world_model", "imagination", "frames")


def evaluate(config: RunConfig, places: Mapping[str, Path], to: Path) -> Path:
    """Judge what a run has learned; parts that a killed call finished are kept.

    Args:
      config: the run's settings.
      places: where dataset, world_model, bc and policy stand.
      to: the artefact to make: one JSON file a part, and the pictures.

    Returns:
      ``to``.
    """
    parents = {
        role: artifacts.load_manifest(places[role]).hash
        for role in ("dataset", "world_model", "bc", "policy")
    }
    judge = _Judge(config, places, disk.partial(to))
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "policy": lambda: judge.returns(judge.policy, "policy"),
        "bc": judge.cloning,
        "random": judge.random,
        "world_model": judge.world_model,
        "imagination": judge.imagination,
        "frames": judge.frames,
    }
    resume = {"config": to_dict(config), "parents": parents}
    with artifacts.writing(to, resume=resume) as aside:
        for part in PARTS:
            file = aside / f"{part}.json"
            if not file.is_file():
                text = json.dumps(makers[part](), indent=1, allow_nan=False) + "\n"
                disk.write_text(file, text)
        artifacts.publish(
            to,
            artifacts.Manifest(
                kind="evaluation",
                spec=artifacts.load_manifest(places["dataset"]).spec,
                config={**to_dict(config.evaluation), "seed": _seed(config)},
                parents=parents,
                figures={part: _figures(aside / f"{part}.json") for part in PARTS[:-1]},
            ),
        )
    return to


def read_part(place: Path, part: str) -> dict[str, Any]:
    """Read one part of an evaluation artefact."""
    found: dict[str, Any] = json.loads((place / f"{part}.json").read_text(encoding="utf-8"))
    return found


def _seed(config: RunConfig) -> int:
    return derive(config.seed, "evaluation")


class _Judge:
    """One method a part; what several parts need is loaded once, and only when needed."""

    def __init__(self, config: RunConfig, places: Mapping[str, Path], aside: Path) -> None:
        self._config = config
        self._places = places
        self._aside = aside

    @functools.cached_property
    def dataset(self) -> Dataset:
        from logo_tf.data.store import load_dataset

        return load_dataset(self._places["dataset"], check="manifest")

    @functools.cached_property
    def model(self) -> WorldModel:
        from logo_tf.world_model.artifact import load_world_model

        return load_world_model(self._places["world_model"])

    @functools.cached_property
    def policy(self) -> TrainedPolicy:
        from logo_tf.agents.policy import load_policy

        return load_policy(self._places["policy"])

    def returns(self, policy: TeamPolicy, label: str) -> dict[str, Any]:
        from logo_tf.evaluation.returns import evaluate_policy

        config = self._config
        episodes = config.evaluation.episodes
        return evaluate_policy(config.scenario, policy, episodes, _seed(config), label).to_dict()

    def cloning(self) -> dict[str, Any]:
        from logo_tf.agents.policy import load_policy

        return self.returns(load_policy(self._places["bc"]), "behaviour cloning")

    def random(self) -> dict[str, Any]:
        from logo_tf.scenarios.random_policy import RandomPolicy
        from logo_tf.scenarios.registry import scenario_spec

        return self.returns(RandomPolicy(scenario_spec(self._config.scenario)), "random")

    def world_model(self) -> dict[str, Any]:
        from logo_tf.world_model.artifact import trained_split
        from logo_tf.world_model.diagnostics import evaluate_model

        manifest = artifacts.load_manifest(self._places["world_model"])
        return evaluate_model(
            self.model,
            self.dataset,
            trained_split(manifest, self.dataset).test,
            horizons=self._config.evaluation.horizons,
            seed=_seed(self._config),
        )

    def imagination(self) -> dict[str, Any]:
        from logo_tf.evaluation.imagined import imagined_figures

        config = self._config
        return imagined_figures(
            self.model,
            self.policy.graph_policy,
            self.dataset,
            config.policy.imagination,
            config.evaluation.imagined,
            _seed(config),
            config.policy.burn_in,
        )

    def frames(self) -> dict[str, Any]:
        from logo_tf.evaluation.frames import film
        from logo_tf.evaluation.plots import picture_png

        config, settings = self._config, self._config.evaluation
        strip = film(
            config.scenario, self.policy, settings.frames, settings.frame_every, _seed(config)
        )
        names = [f"frame_{step:04d}.png" for step in strip.steps]
        for name, picture in zip(names, strip.pictures, strict=True):
            (self._aside / name).write_bytes(picture_png(picture))
        return {"frames": names, "steps": list(strip.steps), "reason": strip.reason}


def _figures(file: Path) -> dict[str, Any]:
    """The single numbers of a part, without its lists."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if isinstance(value, int | float)}
