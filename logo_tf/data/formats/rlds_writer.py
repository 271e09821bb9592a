"""Writing RLDS datasets as TensorFlow Datasets would prepare them, with TensorFlow alone.

`tfds.builder_from_directory(folder)` opens them, and so does ``rlds``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf.data.formats.by_agent import actions_of, agent_keys, legal_of, observations_of
from logo_tf.data.formats.rlds import INFO, NOTE
from logo_tf.data.formats.rlds_records import FEATURES
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

_CLASSES = "tensorflow_datasets.core.features"


def write(spec: ScenarioSpec, episodes: Iterator[Episode], count: int, folder: Path) -> None:
    """Write the records, `features.json` and `dataset_info.json`.

    The last of an episode's T+1 steps has actions and a reward of zero, which mean
    nothing; its discount is 0 where the scenario ended the episode.

    Args:
      spec: of the episodes.
      episodes: as many as ``count`` says.
      count: E.
      folder: where to write; without `.partial` its name is the version, if it is one.
    """
    import tensorflow as tf

    keys = agent_keys(spec)
    name = re.sub(r"\W+", "_", spec.name).strip("_").lower() or "dataset"
    file = folder / f"{name}-train.tfrecord-00000-of-00001"
    steps: dict[str, np.ndarray] = {}
    with tf.io.TFRecordWriter(str(file)) as writer:
        for episode in episodes:
            steps = _steps(episode, spec, keys)
            writer.write(_record(steps))
    version = folder.name.removesuffix(".partial")
    info = {
        "fileFormat": "tfrecord",
        "name": name,
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": "train",
                "numBytes": str(file.stat().st_size),
                "shardLengths": [str(count)],
            }
        ],
        "version": version if re.fullmatch(r"\d+\.\d+\.\d+", version) else "1.0.0",
    }
    for target, content in ((FEATURES, _features(steps)), (INFO, info), (NOTE, spec.to_dict())):
        (folder / target).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _steps(episode: Episode, spec: ScenarioSpec, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Feature -> (T+1, ...)."""
    place = np.arange(episode.length + 1)
    last = place == episode.length
    steps = {
        "reward": np.append(episode.rewards, np.float32(0)),
        "discount": np.where(last & episode.terminated, 0, 1).astype(np.float32),
        "is_first": place == 0,
        "is_last": last,
        "is_terminal": last & episode.terminated,
        "state": episode.state,
        "agent_mask": episode.agent_mask,
    }
    seen, acted = observations_of(episode, spec), actions_of(episode, spec)
    for agent, key in enumerate(keys):
        steps[f"observation/{key}"] = seen[agent]
        steps[f"action/{key}"] = np.concatenate([acted[agent], np.zeros_like(acted[agent][:1])])
        if spec.discrete:
            steps[f"legal_actions/{key}"] = legal_of(episode, spec)[agent]
    return steps


def _record(steps: dict[str, np.ndarray]) -> bytes:
    import tensorflow as tf

    features = {}
    for name, values in steps.items():
        flat = values.reshape(-1)
        if values.dtype.kind == "f":
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=flat.tolist()))
        else:
            whole = flat.astype(np.int64).tolist()
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=whole))
        features[f"steps/{name}"] = feature
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


def _features(steps: dict[str, np.ndarray]) -> dict[str, Any]:
    """The JSON that TensorFlow Datasets reads the features from."""
    tree: dict[str, Any] = {}
    for name, values in steps.items():
        *above, leaf = name.split("/")
        place = tree
        for part in above:
            place = place.setdefault(part, _dict_feature({}))["featuresDict"]["features"]
        shape = {"dimensions": [str(size) for size in values.shape[1:]]}
        place[leaf] = {
            "pythonClassName": f"{_CLASSES}.tensor_feature.Tensor",
            "tensor": {
                "dtype": values.dtype.name,
                "encoding": "none",
                "shape": shape if values.ndim > 1 else {},
            },
        }
    steps_feature = {
        "pythonClassName": f"{_CLASSES}.dataset_feature.Dataset",
        "sequence": {"feature": _dict_feature(tree), "length": "-1"},
    }
    return _dict_feature({"steps": steps_feature})


def _dict_feature(features: dict[str, Any]) -> dict[str, Any]:
    return {
        "featuresDict": {"features": features},
        "pythonClassName": f"{_CLASSES}.features_dict.FeaturesDict",
    }
