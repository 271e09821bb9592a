"""RLDS datasets: those TensorFlow Datasets itself prepared, and broken ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.registry import recognise
from logo_tf.data.formats.rlds import Rlds
from logo_tf.errors import LogoError

FIXTURES = Path(__file__).parent / "fixtures" / "rlds"
Parts = tuple[Callable[..., dict[str, np.ndarray]], Callable[..., bytes]]


def read(path: Path, **options: Any) -> Imported:
    return Rlds().read(path, ImportOptions(**options))


@pytest.fixture
def folder(write_toy: Callable[..., Path], toys: Callable[..., Any]) -> Path:
    """The three toy episodes, with legal actions."""
    return write_toy("rlds", toys(discrete=True))


@pytest.fixture
def spoil(folder: Path, toys: Callable[..., Any], rlds_record: Parts) -> Callable[..., Path]:
    """``spoil(name, values)``: the second episode with one feature replaced, or without it."""

    def write(name: str, values: np.ndarray | None) -> Path:
        steps, record = rlds_record
        with tf.io.TFRecordWriter(str(next(folder.glob("*.tfrecord*")))) as writer:
            for index, toy in enumerate(toys(discrete=True)):
                found = steps(toy)
                if index == 1:
                    found.pop(name)
                    if values is not None:
                        found[name] = values
                writer.write(record(found))
        return folder

    return write


def change(folder: Path, file: str, **changed: Any) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize("name", ["toy_choices", "toy_vectors"])
def test_what_tensorflow_datasets_prepared(name: str, toys: Callable[..., Any]) -> None:
    path = FIXTURES / name / "1.0.0"
    assert recognise(path).name == "rlds"
    imported = read(path)
    spec = imported.spec
    assert spec.name == f"rlds/{name}"
    if spec.discrete:
        assert (spec.agents, spec.action_dims) == (("left", "right"), (4, 4))
        assert spec.observation_dims == (3, 2)
    else:
        assert (spec.agents, spec.action_dims) == (("agent_0", "agent_1"), (2, 2))
        assert spec.observation_dims == (3, 3)
    # TensorFlow Datasets shuffles: each episode is known by its first reward.
    originals = {
        float(toy["rew"][0]): toy for toy in toys(discrete=spec.discrete, alike=not spec.discrete)
    }
    assert imported.num_episodes == len(originals) == 3
    for found in imported.episodes:
        toy = originals.pop(float(found.rewards[0]))
        width = toy["obs"][1].shape[1]
        np.testing.assert_array_equal(found.observations[:, 1, :width], toy["obs"][1])
        np.testing.assert_array_equal(found.actions[:, 1], toy["acts"][1])
        np.testing.assert_array_equal(found.rewards, toy["rew"])
        np.testing.assert_array_equal(found.state, toy["state"])
        assert found.terminated == toy["terminated"]
        if spec.discrete:
            np.testing.assert_array_equal(found.legal_actions[:, 1], toy["legal"][1])
    assert not originals


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("is_first", np.eye(7, dtype=bool)[1], "step 0, is_first: value is 0, but .* 0 to 6"),
        ("is_last", np.eye(7, dtype=bool)[2], "step 2, is_last: value is 1, but"),
        ("is_last", np.zeros(7, bool), "step 6, is_last: value is 0, but"),
        ("is_terminal", np.eye(7, dtype=bool)[3], "step 3, is_terminal: the episode ends, and g"),
        ("reward", np.zeros(6, np.float32), "reward: 6 numbers, expected 7 for 7 steps"),
        ("reward", np.zeros(7, int), "reward: not stored as float32"),
        ("state", None, "state: its record holds no numbers of that name"),
        ("is_first", np.zeros(0, bool), "is_first: 0 numbers"),
        ("action/left", np.full(7, 9), "step 0, action, agent 0: .*there are 4 actions"),
        ("legal_actions/left", np.full((7, 4), 2), "step 0, legal_actions, agent 0.* 0 or 1"),
    ],
)
def test_broken_episodes(
    spoil: Callable[..., Path], name: str, values: np.ndarray | None, message: str
) -> None:
    with pytest.raises(LogoError, match=rf"1\.0\.0: episode 1, {message}") as caught:
        read(spoil(name, values))
    assert "\n" not in str(caught.value)


def test_broken_features(folder: Path) -> None:
    file = folder / "features.json"
    whole = file.read_text()
    cases = [
        (whole.replace('"left"', '"middle"', 1), "observations are of|has no|both must have"),
        (whole.replace("is_last", "is_lost"), "steps have no 'is_last'"),
        ("[]", "not a JSON object"),
        ('{"featuresDict": 3}', "its examples have no steps"),
        (whole.replace('"3"', '"three"'), "its examples have no steps"),
        (whole.replace('"3"', f'"{10**15}"'), "numbers, expected"),
    ]
    for content, message in cases:
        file.write_text(content)
        with pytest.raises(LogoError, match=message):
            read(folder)


def test_broken_info(folder: Path) -> None:
    change(folder, "dataset_info.json", splits=[{"shardLengths": ["4"]}])
    with pytest.raises(LogoError, match=r"holds 3 episodes, but dataset_info\.json says 4"):
        read(folder)
    change(folder, "dataset_info.json", splits=[{"shardLengths": "many"}])
    with pytest.raises(LogoError, match="no readable shardLengths"):
        read(folder)
    change(folder, "dataset_info.json", fileFormat="array_record")
    with pytest.raises(LogoError, match="fileFormat 'array_record', only 'tfrecord'"):
        read(folder)


def test_hostile_records(folder: Path) -> None:
    file = next(folder.glob("*.tfrecord*"))
    whole = file.read_bytes()
    for content in (whole[:-3], whole[:5], struct.pack("<Q", 10**15) + whole[8:]):
        file.write_bytes(content)
        with pytest.raises(LogoError, match=r"record \d is cut short; fetch the file again"):
            read(folder)
    with file.open("wb") as stream:  # a sparse file: nothing is stored
        stream.write(struct.pack("<Q", 2**31) + b"\0" * 4)
        stream.truncate(2**31 + 16)
    with pytest.raises(LogoError, match="record 0 has 2147483648 bytes, at most 128 MiB"):
        read(folder)
    changed = bytearray(whole)
    changed[200] ^= 1
    file.write_bytes(changed)
    with pytest.raises(LogoError, match="not readable .*; fetch the file again") as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for _ in range(3):
            writer.write(b"not an example")
    with pytest.raises(LogoError, match=r"episode 0: its record is not a tf\.train\.Example"):
        read(folder)
    file.unlink()
    with pytest.raises(LogoError, match=r"has no \*\.tfrecord-\* file"):
        read(folder)
