"""The evaluation stage: policy, baselines, world model and imagination, part by part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from logo_tf import artifacts
from logo_tf.config import to_dict
from logo_tf.experiments.config import RunConfig
from logo_tf.seeds import derive

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
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "policy": lambda: _returns(config, places["policy"], "policy"),
        "bc": lambda: _returns(config, places["bc"], "behaviour cloning"),
        "random": lambda: _random(config),
        "world_model": lambda: _world_model(config, places),
        "imagination": lambda: _imagination(config, places),
        "frames": lambda: _frames(config, places["policy"], artifacts.partial(to)),
    }
    resume = {"config": to_dict(config), "parents": parents}
    with artifacts.writing(to, resume=resume) as aside:
        for part in PARTS:
            file = aside / f"{part}.json"
            if not file.is_file():
                text = json.dumps(makers[part](), indent=1, allow_nan=False) + "\n"
                artifacts.write_text(file, text)
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


def _returns(config: RunConfig, place: Path, label: str) -> dict[str, Any]:
    from logo_tf.agents.policy import load_policy
    from logo_tf.evaluation.returns import evaluate_policy

    policy = load_policy(place)
    episodes = config.evaluation.episodes
    return evaluate_policy(config.scenario, policy, episodes, _seed(config), label).to_dict()


def _random(config: RunConfig) -> dict[str, Any]:
    from logo_tf.evaluation.returns import evaluate_policy
    from logo_tf.scenarios.random_policy import RandomPolicy
    from logo_tf.scenarios.registry import scenario_spec

    policy = RandomPolicy(scenario_spec(config.scenario))
    episodes = config.evaluation.episodes
    return evaluate_policy(config.scenario, policy, episodes, _seed(config), "random").to_dict()


def _world_model(config: RunConfig, places: Mapping[str, Path]) -> dict[str, Any]:
    from logo_tf.data.store import load_dataset
    from logo_tf.world_model.artifact import load_world_model, trained_split
    from logo_tf.world_model.diagnostics import evaluate_model

    dataset = load_dataset(places["dataset"], check="manifest")
    test = trained_split(artifacts.load_manifest(places["world_model"]), dataset).test
    model = load_world_model(places["world_model"])
    horizons = config.evaluation.horizons
    return evaluate_model(model, dataset, test, horizons=horizons, seed=_seed(config))


def _imagination(config: RunConfig, places: Mapping[str, Path]) -> dict[str, Any]:
    from logo_tf.agents.policy import load_policy
    from logo_tf.data.store import load_dataset
    from logo_tf.evaluation.imagined import imagined_figures
    from logo_tf.world_model.artifact import load_world_model

    return imagined_figures(
        load_world_model(places["world_model"]),
        load_policy(places["policy"]).graph_policy,
        load_dataset(places["dataset"], check="manifest"),
        config.policy.imagination,
        config.evaluation.imagined,
        _seed(config),
    )


def _frames(config: RunConfig, place: Path, aside: Path) -> dict[str, Any]:
    from logo_tf.agents.policy import load_policy
    from logo_tf.evaluation.frames import film
    from logo_tf.evaluation.plots import picture_png

    settings = config.evaluation
    strip = film(
        config.scenario, load_policy(place), settings.frames, settings.frame_every, _seed(config)
    )
    names = [f"frame_{step:04d}.png" for step in strip.steps]
    for name, picture in zip(names, strip.pictures, strict=True):
        (aside / name).write_bytes(picture_png(picture))
    return {"frames": names, "steps": list(strip.steps), "reason": strip.reason}


def _figures(file: Path) -> dict[str, Any]:
    """The single numbers of a part, without its lists."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if isinstance(value, int | float)}
