"""World models on disk: weights and units beside the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from logo_tf import artifacts, disk, seeds
from logo_tf.config import from_dict
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.store import Dataset, Split, split_episodes
from logo_tf.errors import LogoError
from logo_tf.world_model.calibration import Calibration
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.registry import build

KIND = "world_model"
WEIGHTS = "weights.npz"
UNITS = "standardisation.json"
CALIBRATION = "calibration.json"


def save_weights(model: WorldModel, standardisation: Standardisation, folder: Path) -> None:
    """Write a model's weights, units and calibration (if it has one) into a folder.

    Args:
      model: the model.
      standardisation: the units it was built with.
      folder: an open artefact folder.
    """
    arrays = {f"{i:03d}": variable.numpy() for i, variable in enumerate(_saved(model))}
    with disk.guarded(folder):
        np.savez(folder / WEIGHTS, **arrays)
    disk.write_text(folder / UNITS, json.dumps(standardisation.to_dict(), indent=1) + "\n")
    if model.calibration is not None:
        text = json.dumps(model.calibration.to_dict(), indent=1) + "\n"
        disk.write_text(folder / CALIBRATION, text)


def load_world_model(path: str | Path) -> WorldModel:
    """Load a trained world model; every file is checked against its sha256.

    Args:
      path: the artefact that ``train_world_model`` left.

    Returns:
      The model; its ``manifest`` says where it comes from.

    Raises:
      LogoError: not a world model, changed since it was written, or its weights
        do not fit its config.
    """
    path = Path(path)
    manifest = artifacts.verify(path, KIND)
    config = from_dict(WorldModelConfig, manifest.config["model"], f"{path}: config")
    units = Standardisation.from_dict(json.loads((path / UNITS).read_text(encoding="utf-8")))
    model = build(config, manifest.scenario, units, seed=0)
    variables = _saved(model)
    with np.load(path / WEIGHTS, allow_pickle=False) as arrays:
        shapes = [arrays[name].shape for name in sorted(arrays.files)]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise LogoError(f"{path / WEIGHTS}: the weights do not fit the config; train it again")
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"{i:03d}"])
    if CALIBRATION in manifest.files:
        text = (path / CALIBRATION).read_text(encoding="utf-8")
        model.calibration = Calibration.from_dict(json.loads(text))
    model.manifest = manifest
    return model


def _saved(model: WorldModel) -> tuple[tf.Variable, ...]:
    return (*model.trainable_variables, *model.state_variables)


def split_of(dataset: Dataset, config: WorldModelConfig, seed: int) -> Split:
    """The split that a training with this config and seed uses, by episode.

    Raises:
      LogoError: too few episodes.
    """
    split = split_episodes(dataset, seed, config.validation_share, config.test_share)
    if config.data_share == 1:
        return split

    def some(episodes: np.ndarray, name: str) -> np.ndarray:
        order = seeds.generator(seed, "share", name).permutation(episodes)
        return np.sort(order[: max(1, round(config.data_share * len(episodes)))])

    return split._replace(
        train=some(split.train, "train"), validation=some(split.validation, "validation")
    )


def trained_split(manifest: artifacts.Manifest, dataset: Dataset) -> Split:
    """The split of the dataset that a trained model has used: its test part was never seen.

    Args:
      manifest: the model's.
      dataset: the dataset it was trained on.

    Raises:
      LogoError: the model was trained on another dataset.
    """
    if manifest.parents.get("dataset") != dataset.manifest.hash:
        raise LogoError(
            f"{dataset.path}: not the dataset this world model was trained on, "
            "so none of it is held out by its training; evaluate on all episodes instead"
        )
    config = from_dict(WorldModelConfig, manifest.config["model"])
    return split_of(dataset, config, int(manifest.config["seed"]))
