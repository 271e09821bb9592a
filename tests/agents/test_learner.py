import json

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.agents import learner as learning
from logo_tf.agents.learner import train_policy
from logo_tf.agents.offline_agent import reward_scale
from logo_tf.agents.policy import load_policy
from logo_tf.agents.probe import Probe
from logo_tf.config import override
from logo_tf.data.standardisation import standardisation
from logo_tf.errors import LogoError
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.registry import build


class InterruptError(Exception):
    pass


class StopAt:
    """A logger that dies at a step, as a kill would: after that step's checkpoint is due."""

    def __init__(self, step):
        self.step = step

    def write(self, step, metrics):
        if step == self.step:
            raise InterruptError

    def close(self):
        pass


def weights(path):
    policy = load_policy(path)
    networks = policy.networks.values()
    return [variable.numpy() for net in networks for variable in net.variables]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def fake_model(monkeypatch, continuous_spec):
    """An untrained world model behind the loader, and a folder that passes for its artefact."""

    def make(dataset, folder, spec=None):
        known = standardisation(dataset)
        config = override(WorldModelConfig(), ["width=8"])
        model = build(config, dataset.spec, known, 0)
        monkeypatch.setattr(learning, "load_world_model", lambda path: model)
        spec = (spec or dataset.spec).to_dict()
        with artifacts.writing(folder):
            artifacts.publish(folder, artifacts.Manifest(kind="world_model", spec=spec))
        return folder

    return make


def test_interrupted_and_resumed_is_the_same(tiny_dataset, tiny_config, tmp_path):
    data, config = tiny_dataset("continuous"), tiny_config("bc")
    whole = train_policy(data, config, 1, tmp_path / "whole", loggers=[])
    with pytest.raises(InterruptError):
        train_policy(data, config, 1, tmp_path / "cut", loggers=[StopAt(6)])
    # The checkpoint of step 4 is there, and step 6's metrics are not yet.
    resumed = train_policy(data, config, 1, tmp_path / "cut", loggers=[])
    assert_equal(weights(whole), weights(resumed))
    assert artifacts.load_manifest(whole).hash == artifacts.load_manifest(resumed).hash
    steps = [json.loads(x)["step"] for x in (resumed / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 8]
    assert not disk.partial(resumed).exists()


def test_a_probe_is_logged_and_changes_no_weight(tiny_dataset, tiny_config, tmp_path):
    data, config = tiny_dataset("continuous"), tiny_config("bc")
    seen = []

    def measure(policy):
        rows = np.zeros((3, 2, 4), np.float32)
        actions = policy.act(rows, np.zeros((3, 2, 0), bool), np.random.default_rng(0))
        seen.append(actions)
        return {"return_mean": float(len(seen))}

    probed = train_policy(data, config, 1, tmp_path / "probed", loggers=[], probe=Probe(3, measure))
    plain = train_policy(data, config, 1, tmp_path / "plain", loggers=[])
    assert_equal(weights(probed), weights(plain))
    lines = [json.loads(x) for x in (probed / "curve.jsonl").read_text().splitlines()]
    assert lines == [{"step": 3, "return_mean": 1.0}, {"step": 6, "return_mean": 2.0}]
    assert not np.array_equal(seen[0], seen[1])
    assert not (plain / "curve.jsonl").exists()
    metrics = (probed / "metrics.jsonl", plain / "metrics.jsonl")
    assert metrics[0].read_bytes() == metrics[1].read_bytes()


def test_a_curve_is_whole_though_the_training_is_cut_after_a_checkpoint(
    tiny_dataset, tiny_config, tmp_path
):
    data, config = tiny_dataset("continuous"), tiny_config("bc")

    def probe(dies_at=0):
        def measure(policy):
            if len(steps) == dies_at - 1:
                raise InterruptError
            steps.append(None)
            rows = np.zeros((1, 2, 4), np.float32)
            actions = policy.act(rows, np.zeros((1, 2, 0), bool), np.random.default_rng(0))
            return {"first": float(actions[0, 0, 0])}

        steps = []
        return Probe(2, measure)

    whole = train_policy(data, config, 1, tmp_path / "whole", loggers=[], probe=probe())
    with pytest.raises(InterruptError):  # at step 4, whose checkpoint would come after the look
        train_policy(data, config, 1, tmp_path / "cut", loggers=[], probe=probe(dies_at=2))
    resumed = train_policy(data, config, 1, tmp_path / "cut", loggers=[], probe=probe())
    assert artifacts.load_manifest(whole) == artifacts.load_manifest(resumed)


@pytest.mark.slow
def test_seeds_differ_and_repeat(tiny_dataset, tiny_config, tmp_path):
    data, config = tiny_dataset("discrete"), tiny_config("bc", steps=2)
    one, same, other = (
        weights(train_policy(data, config, seed, tmp_path / name, loggers=[]))
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert_equal(one, same)
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "algorithm", "windows"),
    [
        pytest.param("continuous", "macql", {"cql_rows": "imagined"}, marks=pytest.mark.long),
        ("continuous", "icq", {"window": 2}),
        (
            "discrete",
            "macql",
            {"cql_rows": "imagined", "memory": 4, "window": 2, "burn_in": 3},
        ),
    ],
)
def test_imagination_interrupted_and_resumed(
    kind, algorithm, windows, tiny_dataset, tiny_config, tmp_path, fake_model, left_at
):
    data, config = tiny_dataset(kind), tiny_config(algorithm, steps=10, **windows)
    model = fake_model(data, tmp_path / "model")
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train_policy(data, config, 1, whole, model, loggers=[left_at(10, whole, resumed)])
    train_policy(data, config, 1, resumed, model, loggers=[])
    assert_equal(weights(whole), weights(resumed))
    ours, theirs = (artifacts.load_manifest(path) for path in (whole, resumed))
    # Three rounds of two steps of 8 branches, some of which the model ended after one.
    assert 3 * 8 <= ours.figures["imagined_transitions"] <= 3 * 2 * 8
    assert ours.figures["horizon"] == 2
    assert 0 < ours.figures["ess_fraction"] <= 1
    assert 0 < ours.figures["imagined_share"] < 1
    assert set(ours.parents) == {"dataset", "world_model"}
    assert ours == theirs


def test_no_share_leaves_a_world_model_alone(tiny_dataset, tiny_config, tmp_path):
    config = tiny_config("matd3bc", steps=1, imagination=ImaginationConfig(share=0.0))
    nowhere = tmp_path / "no such model"
    out = train_policy(tiny_dataset("continuous"), config, 0, tmp_path / "p", nowhere, loggers=[])
    assert set(artifacts.load_manifest(out).parents) == {"dataset"}


def test_cloning_leaves_a_world_model_alone(tiny_dataset, tiny_config, tmp_path):
    out = train_policy(
        tiny_dataset("continuous"),
        tiny_config("bc", steps=2),
        0,
        tmp_path / "p",
        tmp_path / "no such model",
        loggers=[],
    )
    assert set(artifacts.load_manifest(out).parents) == {"dataset"}


def test_divergence_keeps_the_last_good_checkpoint(
    tiny_dataset, tiny_config, tmp_path, monkeypatch
):
    data, config = tiny_dataset("continuous"), tiny_config("bc", steps=8)
    from logo_tf.agents.bc import BCAgent

    honest = BCAgent._loss

    def breaks(self, experience, weights, training):
        info = honest(self, experience, weights, training)
        bad = tf.where(self.train_step_counter >= 6, float("nan"), 0.0)
        return info._replace(extra=type(info.extra)(cloning=info.extra.cloning + bad))

    with monkeypatch.context() as patch:
        patch.setattr(BCAgent, "_loss", breaks)
        with pytest.raises(LogoError, match="cloning became nan at step 8"):
            train_policy(data, config, 0, tmp_path / "p", loggers=[])
    assert learning._resume_step(disk.partial(tmp_path / "p")) == 4
    train_policy(data, config, 0, tmp_path / "p", loggers=[])


def test_refuses_before_anything_is_written(
    tiny_dataset, tiny_config, tmp_path, fake_model, discrete_spec
):
    with pytest.raises(LogoError, match="trains continuous actions"):
        train_policy(tiny_dataset("discrete"), tiny_config("matd3bc"), 0, tmp_path / "p")
    data = tiny_dataset("continuous")
    model = fake_model(data, tmp_path / "model", discrete_spec)
    with pytest.raises(LogoError, match="does not fit the world model"):
        train_policy(data, tiny_config("macql"), 0, tmp_path / "p", model)
    assert not (tmp_path / "p").exists()
    assert not disk.partial(tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("algorithm", "batch_size", "modelled"),
    [("macql", 8, False), ("bc", 8, True), ("macql", 2, True)],
    ids=["no model", "an algorithm of real data alone", "one window a batch"],
)
def test_values_of_imagined_rows_need_some(
    tiny_dataset, tiny_config, tmp_path, algorithm, batch_size, modelled
):
    windows = {"window": 2, "burn_in": 1, "memory": 4} if algorithm == "macql" else {}
    config = tiny_config(algorithm, cql_rows="imagined", batch_size=batch_size, **windows)
    model = tmp_path / "no such model" if modelled else None
    with pytest.raises(LogoError, match="but no row of a batch would be: give a world model"):
        train_policy(tiny_dataset("discrete"), config, 0, tmp_path / "p", model)
    assert not disk.partial(tmp_path / "p").exists()


def test_other_settings_do_not_continue_interrupted_work(tiny_dataset, tiny_config, tmp_path):
    data = tiny_dataset("continuous")
    with pytest.raises(InterruptError):
        train_policy(data, tiny_config("bc"), 0, tmp_path / "p", loggers=[StopAt(2)])
    with pytest.raises(LogoError, match="interrupted work of other settings"):
        train_policy(data, tiny_config("bc", width=4), 0, tmp_path / "p", loggers=[])


def test_reward_scale(tiny_dataset):
    known = standardisation(tiny_dataset("continuous"))
    centred, divided = reward_scale(known, False), reward_scale(known, True)
    assert centred == (known.reward_mean, known.reward_std)
    assert divided == (0.0, known.reward_std)
