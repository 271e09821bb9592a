"""``summary.json``: a run in figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logo_tf.artifacts import Manifest
from logo_tf.experiments.config import RunConfig
from logo_tf.experiments.evaluate import read_part

_HORIZONS = ("1", "5", "15")


def summarise(
    config: RunConfig,
    manifests: Mapping[str, Manifest],
    places: Mapping[str, Path],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Gather a finished run's figures.

    Args:
      config: the run's settings.
      manifests: of every stage, by name.
      places: where every stage's artefact stands.
      seconds: per stage.

    Returns:
      A dict that JSON can hold; every mean stands with its spread and its count.
    """
    evaluation = places["evaluation"]
    model = read_part(evaluation, "world_model")
    imagined = read_part(evaluation, "imagination")
    policy, data = manifests["policy"].figures, manifests["dataset"].figures
    dataset = {
        name: data[name]
        for name in (
            "episodes", "transitions", "return_mean", "return_std", "return_min", "return_max",
        )
    }  # fmt: skip
    return {
        "scenario": config.scenario,
        "seed": config.seed,
        "dataset": {"quality": config.dataset.quality, **dataset},
        "world_model": {
            "kind": config.world_model.kind,
            "parameters": model["parameters"],
            "state_nrmse": {k: model["state_nrmse"][k] for k in _HORIZONS},
            "obs_nrmse": {k: model["obs_nrmse"][k] for k in _HORIZONS},
            "reward_mae": model["reward_mae"],
            "reward_rmse": model["reward_rmse"],
            "uncertainty_spearman": model["uncertainty_spearman"],
        },
        "imagination": {
            "transitions": policy.get("imagined_transitions", imagined["transitions"]),
            "horizon": config.policy.imagination.horizon,
            "ess_fraction": policy.get("ess_fraction", imagined["ess_fraction"]),
        },
        "policy": {
            "algorithm": config.policy.algorithm,
            **_returns(read_part(evaluation, "policy")),
        },
        "baselines": {
            "behaviour": dataset,
            "bc": _returns(read_part(evaluation, "bc")),
            "random": _returns(read_part(evaluation, "random")),
        },
        "exports": {
            "world_model": str(places["world_model_export"].absolute()),
            "policy": str(places["policy_export"].absolute()),
            "tflite": str(places["tflite_export"].absolute()),
        },
        "parity": {
            name: manifests[f"{name}_export"].figures["max_difference"]
            for name in ("world_model", "policy", "tflite")
        },
        "lineage": {name: manifest.hash for name, manifest in manifests.items()},
        "seconds": dict(seconds),
    }


def _returns(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "returns"}
