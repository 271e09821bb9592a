from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from logo_tf import artifacts
from logo_tf.errors import LogoError
from logo_tf.export import bundle
from logo_tf.export.bundle import file_names, write_bundle
from logo_tf.export.golden import golden_inputs
from logo_tf.export.tflite import require_builtin


def test_every_agent_becomes_a_file_of_its_own_width(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["continuous"]
    files = write_bundle(policy, policy.manifest, tmp_path / "edge")
    assert [file.name for file in files] == ["a.tflite", "b.tflite"]
    golden = golden_inputs(policy.spec, 4, seed=5)
    wanted, _ = policy.act_on(golden.observations, golden.legal_actions > 0.5, golden.memory, None)
    for i, (o, a) in enumerate(((4, 2), (3, 1))):
        runner = Interpreter(str(files[i])).get_signature_runner("serving_default")
        assert list(runner.get_input_details()) == ["observation"]
        assert list(runner.get_input_details()["observation"]["shape"]) == [1, o]
        assert list(runner.get_output_details()["action"]["shape"]) == [1, a]
        for b in range(4):
            action = runner(observation=golden.observations[b : b + 1, i, :o])["action"]
            np.testing.assert_allclose(action[0], wanted[b, i, :a], atol=1e-6)


def test_discrete_agents_take_legal_actions_and_answer_integers(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["discrete"]
    files = write_bundle(policy, policy.manifest, tmp_path / "edge")
    runner = Interpreter(str(files[1])).get_signature_runner("serving_default")
    assert set(runner.get_input_details()) == {"observation", "legal_actions"}
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(1, 4)).astype(np.float32)
    for only in range(4):
        legal = np.eye(4, dtype=np.float32)[[only]]
        answer = runner(observation=observation, legal_actions=legal)["action"]
        assert answer.dtype == np.int32
        assert answer.tolist() == [only]


def test_the_manifest_lists_files_parity_and_lineage(
    policies: dict[str, Any], tmp_path: Path
) -> None:
    policy = policies["continuous"]
    write_bundle(policy, policy.manifest, tmp_path / "edge")
    manifest = artifacts.verify(tmp_path / "edge", "export")
    runs = {"policy.json", "samples.npz", "team.py"}
    assert set(manifest.files) == {"a.tflite", "b.tflite", *runs}
    assert manifest.parents == {"policy": policy.manifest.hash}
    assert set(manifest.figures["parity"]) == {"a.tflite", "b.tflite"}
    assert manifest.figures["max_difference"] <= 1e-5
    described = manifest.config["files"]["b.tflite"]
    assert described["agents"] == ["b"]
    inputs = described["signatures"]["serving_default"]["inputs"]
    assert inputs == {"observation": {"dtype": "float32", "shape": [1, 3]}}


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_converter_that_answers_nan_is_caught(
    kind: str, policies: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies[kind]
    convert = bundle.convert

    def broken(traced: Any, what: str, precision: Any) -> bytes:
        for weight in traced.module.weights:
            weight.assign(weight * np.nan)
        return convert(traced, what, precision)

    monkeypatch.setattr(bundle, "convert", broken)
    with pytest.raises(LogoError, match="not finite" if kind == "continuous" else "differs"):
        write_bundle(policy, policy.manifest, tmp_path / "edge")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_acts_otherwise_is_refused(policies: dict[str, Any], tmp_path: Path) -> None:
    policy = policies["continuous"]
    honest = policy.act_on
    policy.act_on = lambda *args: (honest(*args)[0] * 1.001, args[2])
    with pytest.raises(LogoError, match=r"a\.tflite: action differs from the original's by"):
        write_bundle(policy, policy.manifest, tmp_path / "edge")
    assert list(tmp_path.iterdir()) == []


def test_an_op_that_is_not_builtin_is_refused(policies: dict[str, Any], tmp_path: Path) -> None:
    policy = policies["continuous"]
    widths = policy.spec.action_dims
    policy.agent_function = lambda i: lambda x, m: (tf.math.digamma(x)[:, : widths[i]], m)
    with pytest.raises(LogoError, match=r"a\.tflite: TFLite's builtin ops cannot do it: Digamma"):
        write_bundle(policy, policy.manifest, tmp_path / "edge")
    assert list(tmp_path.iterdir()) == []


def test_a_flatbuffer_with_a_custom_op_is_refused() -> None:
    @tf.function(input_signature=[tf.TensorSpec((1, 2), tf.float32, "x")])
    def digamma(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.math.digamma(x)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([digamma.get_concrete_function()])
    converter.allow_custom_ops = True
    with pytest.raises(LogoError, match="x: holds ops that are not TFLite builtins: Digamma"):
        require_builtin(converter.convert(), "x")


def test_a_full_disk_leaves_nothing(
    policies: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies["continuous"]

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LogoError, match="disk is full"):
        write_bundle(policy, policy.manifest, tmp_path / "edge")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_overwritten(policies: dict[str, Any], tmp_path: Path) -> None:
    policy = policies["continuous"]
    (tmp_path / "edge").mkdir()
    with pytest.raises(LogoError, match="already exists"):
        write_bundle(policy, policy.manifest, tmp_path / "edge")


def test_a_lone_agent_works(policies: dict[str, Any], tmp_path: Path) -> None:
    spec = policies["discrete"].spec
    one = dataclasses.replace(spec, agents=("solo",), observation_dims=(4,), action_dims=(4,))
    policy = type(policies["discrete"])(one)
    files = write_bundle(policy, policy.manifest, tmp_path / "e")
    assert [file.name for file in files] == ["solo.tflite"]


def test_agents_names_become_plain_unique_file_names() -> None:
    assert file_names(("agent_0", "agent_1")) == ["agent_0", "agent_1"]
    assert file_names(("a/b", "a b")) == ["0_a_b", "1_a_b"]
    assert file_names(("../x", "y")) == ["___x", "y"]
