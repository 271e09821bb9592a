"""Training: resumed to the bit, the best weights kept, stopped when numbers break."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.config import to_dict
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import write_dataset
from logo_tf.errors import LogoError
from logo_tf.metrics import ConsoleLogger, Loggers
from logo_tf.reproducible import reproducible_graphs
from logo_tf.world_model.artifact import load_world_model, split_of, trained_split
from logo_tf.world_model.config import EnsembleConfig, LogoConfig, WorldModelConfig
from logo_tf.world_model.trainer import _Training, train_world_model


class Dies:
    """A logger that raises at a step, as a killed process would end there."""

    def __init__(self, step: int) -> None:
        self._step = step

    def write(self, step, metrics):
        if step == self._step:
            raise KeyboardInterrupt

    def close(self):
        pass


@pytest.fixture(scope="module")
def config(tiny_settings):
    return WorldModelConfig(**tiny_settings)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What would be left of ``trained`` had it been killed at step 6."""
    return tmp_path_factory.mktemp("killed") / "model"


@pytest.fixture(scope="module")
def trained(datasets, config, left_at, killed, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    loggers = [ConsoleLogger("test", 12), left_at(6, out, killed)]
    return train_world_model(datasets["discrete"], config, 5, out, loggers)


def test_artefact_says_where_it_comes_from(trained, datasets, config):
    manifest = artifacts.verify(trained, "world_model")
    dataset = datasets["discrete"]
    assert manifest.parents == {"dataset": dataset.manifest.hash}
    assert manifest.scenario == dataset.spec
    assert manifest.config["seed"] == 5
    files = {"metrics.jsonl", "weights.npz", "standardisation.json", "calibration.json"}
    assert files == set(manifest.files)
    assert manifest.figures["state_nrmse"]["1"] > 0
    assert manifest.figures["test_coverage"]["episodes"] == 2
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 9, 10, 12]
    assert "validation_state_rmse" in lines[1]
    assert "validation_state_rmse" not in lines[0]
    split = trained_split(manifest, dataset)
    np.testing.assert_array_equal(split.test, split_of(dataset, config, 5).test)
    with pytest.raises(LogoError, match="not the dataset this world model was trained on"):
        trained_split(manifest, datasets["continuous"])


def test_resumed_training_is_the_same_to_the_bit(trained, datasets, config, tmp_path):
    """Also with other loggers: the first run had a progress bar, these have none."""
    out = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        train_world_model(datasets["discrete"], config, 5, out, [Dies(10)])
    assert not out.exists()
    with pytest.raises(LogoError, match="interrupted work of other settings"):
        train_world_model(datasets["discrete"], config, 6, out, [])
    train_world_model(datasets["discrete"], config, 5, out, [])
    assert artifacts.load_manifest(out).hash == artifacts.load_manifest(trained).hash


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bit(trained, killed, datasets, config):
    """Before it has unrolled more than a step."""
    train_world_model(datasets["discrete"], config, 5, killed, [])
    assert artifacts.load_manifest(killed).hash == artifacts.load_manifest(trained).hash


KINDS = {
    "monolithic": {"kind": "monolithic"},
    "ensemble": {"kind": "ensemble", "ensemble": EnsembleConfig(members=2, elites=1)},
    "memory": {"logo": LogoConfig(memory=4, burn_in=2)},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["monolithic", "memory", pytest.param("ensemble", marks=pytest.mark.long)]
)
def test_every_kind_resumes_to_the_bit(datasets, tiny_settings, left_at, tmp_path, name):
    config = WorldModelConfig(**(tiny_settings | KINDS[name]))
    dataset = datasets["discrete"]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train_world_model(dataset, config, 5, whole, [left_at(10, whole, resumed)])
    train_world_model(dataset, config, 5, resumed, [])
    assert artifacts.load_manifest(resumed).hash == artifacts.load_manifest(whole).hash
    assert load_world_model(resumed).config == config


@pytest.mark.slow
def test_a_new_process_comes_to_the_same_weights(trained, datasets, config, tmp_path):
    """A resumed run is a new process, whose graphs must not be rewritten in another order."""
    code = (
        "import sys, json\n"
        "from logo_tf.config import from_dict\n"
        "from logo_tf.data.store import load_dataset\n"
        "from logo_tf.world_model.config import WorldModelConfig\n"
        "from logo_tf.world_model.trainer import train_world_model\n"
        "config = from_dict(WorldModelConfig, json.loads(sys.argv[2]))\n"
        "train_world_model(load_dataset(sys.argv[1]), config, 5, sys.argv[3], [])\n"
    )
    out = tmp_path / "model"
    arguments = [str(datasets["discrete"].path), json.dumps(to_dict(config)), str(out)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    assert artifacts.load_manifest(out).hash == artifacts.load_manifest(trained).hash


@pytest.mark.parametrize("before", [False, True])
def test_the_process_gets_its_settings_back(before):
    ours = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
    with reproducible_graphs():
        inside = tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]
    after = tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]
    tf.config.optimizer.set_experimental_options(ours)
    assert (inside, after) == (True, before)


def test_loaded_model_is_exact(trained, window):
    model, again = load_world_model(trained), load_world_model(trained)
    batch, _ = window("discrete", length=1)
    start = (
        batch.state[:, 0],
        batch.observations[:, 0],
        batch.actions[:, 0],
        batch.agent_mask[:, 0],
    )
    for a, b in zip(model.step(*start), again.step(*start), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.manifest.kind == "world_model"
    assert model.calibration == again.calibration
    assert model.calibration.episodes == 2
    assert (model.temperature.state.numpy() != 1).any()
    with np.load(trained / "weights.npz") as arrays:
        for i, weight in enumerate(model.trainable_variables):
            np.testing.assert_array_equal(weight, arrays[f"{i:03d}"])


def test_too_few_held_out_rows_leave_it_uncalibrated(
    make_episodes, continuous_spec, tiny_settings, tmp_path
):
    made = make_episodes(continuous_spec, 3)
    data = write_dataset(tmp_path / "data", continuous_spec, made, config={}, provenance={})
    config = WorldModelConfig(**(tiny_settings | {"steps": 4}))
    out = train_world_model(data, config, 0, tmp_path / "model", [])
    manifest = artifacts.load_manifest(out)
    assert "too few held-out rows" in manifest.figures["test_coverage"]
    assert "calibration.json" not in manifest.files
    assert load_world_model(out).calibration is None


def test_changed_weights_are_refused(trained, tmp_path):
    broken = shutil.copytree(trained, tmp_path / "broken")
    (broken / "weights.npz").write_bytes(b"other")
    with pytest.raises(LogoError, match="differs from the sha256"):
        load_world_model(broken)


@pytest.fixture
def training(datasets, config, tmp_path):
    dataset = datasets["continuous"]
    split = split_of(dataset, config, 0)
    units = standardisation(dataset, split.train)
    return _Training(dataset, config, split, units, 0, tmp_path / "checkpoints")


def test_the_best_weights_are_kept_and_patience_ends(training, config):
    first = training.model.trainable_variables[0]
    start = first.numpy()
    for step, score in enumerate([1.0, 0.5, *[0.7] * config.patience], start=1):
        assert not training._finished()
        training.step.assign(step)
        first.assign(start + step)
        measured = {
            "validation_state_rmse": np.array([score]),
            "validation_observations_rmse": np.array([0.0]),
        }
        training._validate(lambda measured=measured: measured)
    assert training._finished()
    assert training.best_step.numpy() == 2
    np.testing.assert_array_equal(training.best().trainable_variables[0], start + 2)


def test_broken_numbers_name_the_loss_and_the_step(training):
    class Steps:
        names = ("loss", "reward")

        def __call__(self, batches, count):
            return tf.constant([[1.0, 1.0], [2.0, np.nan]])

    training.step.assign(4)
    with pytest.raises(LogoError, match="reward became nan at step 6"):
        training._advance(Steps(), iter(()), 12)


def test_a_run_that_breaks_keeps_its_checkpoint(datasets, config, tmp_path, monkeypatch):
    monkeypatch.setattr(_Training, "_steps", lambda self, unroll: _Broken(self.step))
    monkeypatch.setattr(_Training, "_validator", lambda self: lambda: {
        "validation_state_rmse": np.ones(1), "validation_observations_rmse": np.ones(1)
    })  # fmt: skip
    out = tmp_path / "model"
    with pytest.raises(LogoError, match="loss became inf at step 5"):
        train_world_model(datasets["continuous"], config, 0, out, [])
    assert not out.exists()
    kept = disk.partial(out) / "checkpoints"
    assert tf.train.latest_checkpoint(str(kept)).endswith("ckpt-4")


class _Broken:
    """Steps whose loss is infinite from the fifth on."""

    names = ("loss",)

    def __init__(self, step: tf.Variable) -> None:
        self._step = step

    def __call__(self, batches, count):
        begin = int(self._step)
        self._step.assign_add(int(count))
        return tf.constant([[np.inf if begin + i >= 4 else 1.0] for i in range(int(count))])


def test_loggers_see_every_line(training):
    seen = []

    class Keeps:
        def write(self, step, metrics):
            seen.append(step)

        def close(self):
            pass

    training._steps = lambda unroll: _Broken(training.step)
    training._validator = lambda: (
        lambda: {
            "validation_state_rmse": np.ones(1),
            "validation_observations_rmse": np.ones(1),
        }
    )
    with pytest.raises(LogoError):
        training.run(Loggers([Keeps()]))
    assert seen == [2, 4]
