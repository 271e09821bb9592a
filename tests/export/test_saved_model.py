from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError
from logo_tf.export import saved_model, signatures
from logo_tf.export.golden import golden_inputs
from logo_tf.export.saved_model import write_policy, write_world_model
from logo_tf.world_model.calibration import Calibration, StepBound

KINDS = ["continuous", "discrete"]
WORLD_MODEL_OUTPUTS = {
    "next_observations",
    "next_observations_std",
    "next_state",
    "next_state_std",
    "reward",
    "reward_std",
    "termination",
    "uncertainty",
}


def _parent(kind: str, model: Any) -> Manifest:
    return Manifest(
        kind=kind, spec=model.spec.to_dict(), config={"width": 8}, parents={"dataset": "d" * 64}
    )


def _serve(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    answers = served(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: tensor.numpy() for name, tensor in answers.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_model_answers_as_the_original(
    kind: str, world_models: dict[str, Any], tmp_path: Path
) -> None:
    model = world_models[kind]
    path = write_world_model(model, _parent("world_model", model), "m", tmp_path)
    assert path == tmp_path / "m" / "1"
    for batch in (1, 5):
        golden = golden_inputs(model.spec, batch, seed=9)
        answer = _serve(
            path, observations=golden.observations, actions=golden.actions, state=golden.state
        )
        discrete = {"legal_actions"} if kind == "discrete" else set()
        assert set(answer) == WORLD_MODEL_OUTPUTS | discrete
        wanted = model.step(golden.state, golden.observations, golden.actions, golden.agent_mask)
        np.testing.assert_allclose(answer["next_state"], wanted.state, atol=1e-6)
        np.testing.assert_allclose(answer["reward"], wanted.reward, atol=1e-6)
        assert answer["reward"].shape == (batch,)
        assert all(value.dtype == np.float32 for value in answer.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_acts_as_the_original(kind: str, policies: dict[str, Any], tmp_path: Path) -> None:
    policy = policies[kind]
    path = write_policy(policy, policy.manifest, "p", tmp_path)
    for batch in (1, 7):
        golden = golden_inputs(policy.spec, batch, seed=9)
        inputs = {"observations": golden.observations}
        if kind == "discrete":
            inputs["legal_actions"] = golden.legal_actions
        actions = _serve(path, **inputs)["actions"]
        wanted, _ = policy.act_on(
            golden.observations, golden.legal_actions > 0.5, golden.memory, None
        )
        np.testing.assert_allclose(actions, wanted, atol=1e-6)
        assert actions.dtype == policy.spec.action_dtype


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrated_model_answers_a_bound_of_its_error(
    kind: str, world_models: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world_models[kind]
    line = StepBound((-0.5, 0.0, 0.5), (0.1, 0.2, 0.4), (1.0, 2.0), rows=99)
    bounds = Calibration(0.9, "step", (0.5, 0.9), (1.0,) * model.spec.state_dim, (line,), 8)
    monkeypatch.setattr(model, "calibration", bounds)
    path = write_world_model(model, _parent("world_model", model), "m", tmp_path)
    golden = golden_inputs(model.spec, 5, seed=9)
    answer = _serve(
        path, observations=golden.observations, actions=golden.actions, state=golden.state
    )
    bound = answer["state_error_bound"]
    assert bound.shape == (5,)
    np.testing.assert_allclose(bound, bounds.bound(answer["uncertainty"]), rtol=1e-5)
    assert len(set(bound.tolist())) > 1
    manifest = artifacts.verify(path, "export")
    assert manifest.config["state_error_coverage"] == 0.9
    assert manifest.figures["parity"]["state_error_bound"] <= 1e-5


def test_a_bound_that_differs_is_refused(
    world_models: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world_models["continuous"]
    traced = signatures.world_model_signature

    def other(model: Any) -> signatures.Traced:
        line = StepBound((0.0,), (1.0,), (0.5,), rows=99)
        scale = (1.0,) * model.spec.state_dim
        found = traced(model)
        model.calibration = Calibration(0.9, "step", (0.9,), scale, (line,), 8)
        return found

    monkeypatch.setattr(model, "calibration", None)
    monkeypatch.setattr(signatures, "world_model_signature", other)
    with pytest.raises(LogoError, match="answers with .*the original with .*state_error_bound"):
        write_world_model(model, _parent("world_model", model), "m", tmp_path)


def test_the_dead_are_read_from_their_observations(world_models: dict[str, Any]) -> None:
    spec = world_models["discrete"].spec
    observations = np.array([[[0, 0, 0, 0], [0, -1, 0, 0], [1, 1, 1, 1]]], np.float32)
    np.testing.assert_array_equal(signatures.agent_mask(observations, spec), [[0, 1, 1]])
    spec = world_models["continuous"].spec
    np.testing.assert_array_equal(signatures.agent_mask(np.zeros((1, 2, 4)), spec), [[1, 1]])


def test_illegal_actions_are_never_chosen() -> None:
    scores = tf.constant([[5.0, 1.0, 2.0], [-9.0, -8.0, -7.0], [1.0, 2.0, 3.0]])
    legal = tf.constant([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(signatures.best_legal(scores, legal), [2, 1, 0])


def test_the_manifest_tells_the_lineage(world_models: dict[str, Any], tmp_path: Path) -> None:
    model = world_models["discrete"]
    parent = _parent("world_model", model)
    path = write_world_model(model, parent, "m", tmp_path)
    manifest = artifacts.verify(path, "export")
    assert manifest.parents == {"world_model": parent.hash}
    assert manifest.provenance["world_model_parents"] == {"dataset": "d" * 64}
    assert manifest.scenario == model.spec
    assert "saved_model.pb" in manifest.files
    assert (manifest.config["name"], manifest.config["version"]) == ("m", 1)
    served = manifest.config["signatures"]["serving_default"]
    assert served["inputs"]["actions"] == {"dtype": "int32", "shape": [-1, 3]}
    assert served["outputs"]["uncertainty"] == {"dtype": "float32", "shape": [-1]}
    parity = {name for name in manifest.figures["parity"] if "/" not in name}
    assert parity == WORLD_MODEL_OUTPUTS | {"legal_actions"}
    assert 0 <= manifest.figures["max_difference"] <= 1e-5
    assert manifest.figures["parameters"] > 0


def test_versions_increment_and_the_first_still_answers(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["continuous"]
    paths = [write_policy(policy, policy.manifest, "p", tmp_path) for _ in range(2)]
    assert [path.name for path in paths] == ["1", "2"]
    artifacts.verify(paths[0], "export")
    assert sorted(child.name for child in (tmp_path / "p").iterdir()) == ["1", "2"]


def test_an_export_that_answers_otherwise_is_refused(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["continuous"]
    honest = policy.act_on
    policy.act_on = lambda *args: (honest(*args)[0] + 1e-4, args[2])
    with pytest.raises(LogoError, match=r"p/1: actions differs from the original's by 0\.0001"):
        write_policy(policy, policy.manifest, "p", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_chooses_otherwise_is_refused(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["discrete"]
    honest = policy.act_on
    policy.act_on = lambda observations, *others: honest(-observations, *others)
    with pytest.raises(LogoError, match="agent [abc]: action differs from the original's on"):
        write_policy(policy, policy.manifest, "p", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_not_finite_are_refused(
    kind: str, policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies[kind]
    kernel, bias = policy.layers[0].get_weights()
    policy.layers[0].set_weights([kernel * np.nan, bias])
    with pytest.raises(LogoError, match="not finite"):
        write_policy(policy, policy.manifest, "p", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(
    world_models: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world_models["continuous"]

    def full(module: Any, directory: str, **_: Any) -> None:
        (Path(directory) / "variables").mkdir()
        message = "part-00000; No space left on device [Op:SaveV2]"
        raise tf.errors.ResourceExhaustedError(None, None, message)

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(LogoError, match="No space left on device"):
        write_world_model(model, _parent("world_model", model), "m", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_name_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="underscores"):
        saved_model.export_world_model(tmp_path / "absent", "half-cheetah", tmp_path)
    with pytest.raises(LogoError, match="no such folder"):
        saved_model.export_world_model(tmp_path / "absent", "half_cheetah", tmp_path)
    assert list(tmp_path.iterdir()) == []
