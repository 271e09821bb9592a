"""World models side by side: judged on the same windows of episodes that none was trained on."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from logo_tf.artifacts import Manifest
from logo_tf.data.store import Dataset
from logo_tf.errors import LogoError
from logo_tf.world_model.artifact import load_world_model, trained_split
from logo_tf.world_model.diagnostics import evaluate_model

HORIZONS = (1, 5, 15)


class HeldOut(NamedTuple):
    """Episodes to judge by (None: all of the dataset), and what they are, in words."""

    episodes: np.ndarray | None
    said: str


class Column(NamedTuple):
    """A figure to compare models by.

    name: of JSON and CSV; heading: of the table; path: of keys in what ``evaluate_model``
    returns; best: the ``lowest``, the ``highest``, what is nearest to the ``promised``
    coverage, or nothing (``none``).
    """

    name: str
    heading: str
    path: tuple[str, ...]
    best: Literal["lowest", "highest", "promised", "none"] = "lowest"


COLUMNS = (
    Column("parameters", "weights", ("parameters",), "none"),
    Column("best_step", "steps", ("best_step",), "none"),
    *(Column(f"state_nrmse_{k}", f"state @{k}", ("state_nrmse", str(k))) for k in HORIZONS),
    *(Column(f"obs_nrmse_{k}", f"obs @{k}", ("obs_nrmse", str(k))) for k in HORIZONS[::2]),
    Column("reward_mae", "reward MAE", ("reward_mae",)),
    Column("legal_actions_accuracy", "legal", ("legal_actions_accuracy",), "highest"),
    Column("termination_f1", "ending F1", ("termination_f1",), "highest"),
    Column("state_nll", "state NLL", ("state_nll",)),
    Column("uncertainty_spearman", "Spearman", ("uncertainty_spearman",), "highest"),
    *(
        Column(f"coverage_{k}", f"covered @{k}", ("covered", str(k)), "promised")
        for k in HORIZONS[::2]
    ),
)


def held_out_by_all(manifests: Mapping[str, Manifest], dataset: Dataset) -> HeldOut:
    """Find the episodes that no model was trained on.

    Args:
      manifests: label -> of each world model.
      dataset: where the episodes are; a model that was trained on another dataset has
        seen none of them.

    Raises:
      LogoError: every episode was seen by some model.
    """
    tests = {
        label: trained_split(manifest, dataset).test
        for label, manifest in manifests.items()
        if manifest.parents.get("dataset") == dataset.manifest.hash
    }
    if not tests:
        return HeldOut(None, "all of another dataset")
    shared = functools.reduce(np.intersect1d, tests.values())
    if not len(shared):
        seeds = ", ".join(f"{label} (seed {manifests[label].config['seed']})" for label in tests)
        raise LogoError(
            f"{dataset.path}: no episode was held out by the training of all of {seeds}; "
            "train them with one seed, or compare them on another dataset"
        )
    return HeldOut(shared, f"held out by {'its' if len(manifests) == 1 else 'every'} training")


def labels_of(paths: Sequence[str | Path]) -> list[str]:
    """Short names of runs: each folder's name, or its whole path where names are equal.

    Raises:
      LogoError: a run is named twice.
    """
    whole = [str(path) for path in paths]
    places = [Path(path).resolve() for path in paths]
    for number, path in enumerate(whole):
        if places[number] in places[:number]:
            raise LogoError(f"{path}: named twice; name each world model once")
    names = [place.name for place in places]
    return [w if names.count(n) > 1 else n for w, n in zip(whole, names, strict=True)]


def compare_models(
    paths: Mapping[str, Path],
    manifests: Mapping[str, Manifest],
    dataset: Dataset,
    episodes: np.ndarray | None,
    seed: int,
) -> list[dict[str, Any]]:
    """Judge every model on the same windows.

    Args:
      paths: label -> where each world model stands.
      manifests: label -> its manifest.
      dataset: where the episodes are.
      episodes: of ``held_out_by_all``.
      seed: fixes the windows.

    Returns:
      For JSON, one dict a model: ``run``, ``path``, ``kind`` and the names of ``COLUMNS``
      (None where a model has no such figure), and the ``promised`` coverage.
    """
    rows = []
    for label, path in paths.items():
        manifest = manifests[label]
        found = evaluate_model(load_world_model(path), dataset, episodes, HORIZONS, seed)
        coverage = found["coverage"] or {"nominal": None, "step": [], "coverage": []}
        found["best_step"] = manifest.figures.get("best_step")
        found["covered"] = dict(zip(map(str, coverage["step"]), coverage["coverage"], strict=True))
        rows.append(
            {
                "run": label,
                "path": str(path),
                "kind": manifest.config["model"]["kind"],
                **{column.name: _at(found, column.path) for column in COLUMNS},
                "promised": coverage["nominal"],
            }
        )
    return rows


def best_runs(rows: Iterable[Mapping[str, Any]], column: Column) -> list[str]:
    """The runs whose figure is the best of a column; none where nothing is to be best at."""
    ranked = {
        row["run"]: _badness(row, column)
        for row in rows
        if column.best != "none" and row[column.name] is not None
    }
    return [run for run, value in ranked.items() if value == min(ranked.values())]


def _badness(row: Mapping[str, Any], column: Column) -> float:
    value = float(row[column.name])
    if column.best == "promised":
        return abs(value - float(row["promised"]))
    return -value if column.best == "highest" else value


def _at(found: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = found
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
