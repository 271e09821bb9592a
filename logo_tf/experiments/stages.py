"""The stages of a run: each a function from artefacts and a config to an artefact.

TensorFlow is imported by the stage that needs it, so that a run with nothing left to
do ends in a second. Every stage is given the run's own seed and derives from it by
name: so world model and policies deal the episodes into the same splits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from logo_tf.artifacts import Manifest, load_manifest, verify
from logo_tf.errors import LogoError
from logo_tf.experiments.config import RunConfig
from logo_tf.seeds import derive

if TYPE_CHECKING:
    from logo_tf.agents.probe import Probe
    from logo_tf.scenarios.protocol import TeamPolicy

EXPORTS = "saved_models"
Places = Mapping[str, Path]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One artefact of a run and how it comes about.

    Attributes:
      name: unique in the run; later stages name it as their parent.
      title: what is printed.
      kind: of the artefact.
      parents: role in the artefact's manifest -> the stage that fills it.
      find: returns where the artefact stands, or would stand; None if nowhere yet.
      make: makes it from the finished stages' places and returns where it stands.
      clock: the name its seconds are counted under.
      superseded: ``replaced`` (one that became stale is removed and made again) or
        ``kept`` (a newer version is put beside it).
    """

    name: str
    title: str
    kind: str
    parents: Mapping[str, str]
    find: Callable[[], Path | None]
    make: Callable[[Places], Path]
    clock: str
    superseded: str = "replaced"

    def finished(self, hashes: Mapping[str, str]) -> Manifest | None:
        """Return the artefact's manifest if it is there, sound, and of these parents.

        Args:
          hashes: the hash of every finished stage.

        Raises:
          LogoError: something else stands there, or a file of it was changed.
        """
        path = self.find()
        if path is None or not path.exists():
            return None
        manifest = load_manifest(path, self.kind)
        for role, stage in self.parents.items():
            if manifest.parents.get(role) != hashes[stage]:
                return None
        return verify(path, self.kind)


def stages(config: RunConfig, out: Path) -> list[Stage]:
    """Return a run's stages in the order they are made."""

    def folder(name: str) -> Callable[[], Path]:
        return lambda: out / name

    def exported(name: str) -> Callable[[], Path | None]:
        return lambda: newest_version(out / EXPORTS / name)

    learned = {"dataset": "dataset", "world_model": "world_model"}
    # A policy that imagines nothing is not made from the world model.
    asked = learned if config.policy.imagination.share > 0 else {"dataset": "dataset"}
    return [
        Stage(
            "dataset", "Dataset", "dataset", {}, folder("dataset"),
            lambda _: _collect(config, out / "dataset"), "dataset",
        ),
        Stage(
            "world_model", "World model", "world_model", {"dataset": "dataset"},
            folder("world_model"),
            lambda places: _train_world_model(config, places, out / "world_model"), "world_model",
        ),
        Stage(
            "bc", "Behaviour cloning", "policy", {"dataset": "dataset"}, folder("bc"),
            lambda places: _train_bc(config, places, out / "bc"), "bc",
        ),
        Stage(
            "policy", "Policy", "policy", asked, folder("policy"),
            lambda places: _train_policy(config, places, out / "policy"), "policy",
        ),
        Stage(
            "evaluation", "Evaluation", "evaluation",
            {**learned, "bc": "bc", "policy": "policy"}, folder("evaluation"),
            lambda places: _evaluate(config, places, out / "evaluation"), "evaluation",
        ),
        Stage(
            "world_model_export", "Export: world model", "export",
            {"world_model": "world_model"}, exported("world_model"),
            lambda places: _export_world_model(places, out / EXPORTS), "exports", "kept",
        ),
        Stage(
            "policy_export", "Export: policy", "export", {"policy": "policy"},
            exported("policy"),
            lambda places: _export_policy(places, out / EXPORTS), "exports", "kept",
        ),
        Stage(
            "tflite_export", "Export: TFLite", "export", {"policy": "policy"}, folder("edge"),
            lambda places: _export_tflite(places, out / "edge"), "exports",
        ),
    ]  # fmt: skip


def newest_version(folder: Path) -> Path | None:
    """Return the highest ``NAME/VERSION`` folder of an export, if there is one."""
    if not folder.is_dir():
        return None
    numbers = [int(child.name) for child in folder.iterdir() if child.name.isdecimal()]
    return folder / str(max(numbers)) if numbers else None


def _collect(config: RunConfig, to: Path) -> Path:
    from logo_tf.data.collect import CollectConfig, collect

    collect(
        CollectConfig(
            scenario=config.scenario,
            quality=config.dataset.quality,
            steps=config.dataset.steps,
            seed=config.seed,
        ),
        to,
    )
    return to


def _train_world_model(config: RunConfig, places: Places, to: Path) -> Path:
    from logo_tf.data.store import load_dataset
    from logo_tf.world_model.trainer import train_world_model

    dataset = load_dataset(places["dataset"], check="manifest")
    return train_world_model(dataset, config.world_model, config.seed, to)


def _train_bc(config: RunConfig, places: Places, to: Path) -> Path:
    from logo_tf.agents.learner import train_policy
    from logo_tf.data.store import load_dataset

    dataset = load_dataset(places["dataset"], check="manifest")
    return train_policy(dataset, config.bc, config.seed, to, probe=_probe(config))


def _train_policy(config: RunConfig, places: Places, to: Path) -> Path:
    from logo_tf.agents.learner import train_policy
    from logo_tf.data.store import load_dataset

    dataset = load_dataset(places["dataset"], check="manifest")
    return train_policy(
        dataset,
        config.policy,
        config.seed,
        to,
        world_model=places["world_model"],
        probe=_probe(config),
    )


def _probe(config: RunConfig) -> Probe:
    from logo_tf.agents.probe import Probe
    from logo_tf.evaluation.returns import evaluate_policy

    settings, seed = config.evaluation, derive(config.seed, "curve")

    def measure(policy: TeamPolicy) -> dict[str, float]:
        found = evaluate_policy(config.scenario, policy, settings.curve_episodes, seed, None)
        return {"return_mean": found.mean, "return_min": found.low, "return_max": found.high}

    return Probe(settings.curve_every, measure)


def _evaluate(config: RunConfig, places: Places, to: Path) -> Path:
    from logo_tf.experiments.evaluate import evaluate

    return evaluate(config, places, to)


def _export_world_model(places: Places, repository: Path) -> Path:
    from logo_tf.export.saved_model import export_world_model

    return export_world_model(places["world_model"], "world_model", repository)


def _export_policy(places: Places, repository: Path) -> Path:
    from logo_tf.export.saved_model import export_policy

    return export_policy(places["policy"], "policy", repository)


def _export_tflite(places: Places, to: Path) -> Path:
    from logo_tf.export.bundle import export_bundle

    files = export_bundle(places["policy"], to)
    if not files:
        raise LogoError(f"{to}: the policy has no agent to export")
    return to
