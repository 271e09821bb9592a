"""Exports of really trained, tiny artefacts: from the run folder to the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from logo_tf import artifacts
from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.learner import train_policy
from logo_tf.agents.policy import load_policy
from logo_tf.data.store import write_dataset
from logo_tf.errors import LogoError
from logo_tf.export.bundle import export_bundle
from logo_tf.export.golden import golden_inputs
from logo_tf.export.saved_model import export_policy, export_world_model
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.artifact import load_world_model
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model

pytestmark = pytest.mark.slow
KINDS = ["continuous", "discrete"]


@pytest.fixture(scope="module")
def runs(
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    make_episodes: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """KIND/world_model and KIND/policy, trained a few steps."""
    folder = tmp_path_factory.mktemp("runs")
    model = WorldModelConfig(
        width=16, steps=10, unroll=1, batch_size=16, log_every=10, validate_every=10,
        validation_windows=8,
    )  # fmt: skip
    policy = PolicyConfig(
        algorithm="bc", width=16, steps=10, batch_size=16, log_every=10, checkpoint_every=10
    )
    for spec in (continuous_spec, discrete_spec):
        run = folder / spec.action_kind
        data = write_dataset(run / "data", spec, make_episodes(spec, 16), config={}, provenance={})
        train_world_model(data, model, 0, run / "world_model", loggers=[])
        train_policy(data, policy, 0, run / "policy", loggers=[])
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_model_is_served_as_it_predicts(kind: str, runs: Path, tmp_path: Path) -> None:
    run = runs / kind / "world_model"
    path = export_world_model(run, "m", tmp_path)
    manifest = artifacts.verify(path, "export")
    assert manifest.parents == {"world_model": artifacts.load_manifest(run).hash}
    assert manifest.figures["max_difference"] <= 1e-5
    model = load_world_model(run)
    golden = golden_inputs(model.spec, 6, seed=3)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    answer = served(
        observations=tf.constant(golden.observations),
        actions=tf.constant(golden.actions),
        state=tf.constant(golden.state),
    )
    wanted = model.step(golden.state, golden.observations, golden.actions, golden.agent_mask)
    np.testing.assert_allclose(answer["next_state"], wanted.state, atol=1e-5)
    np.testing.assert_allclose(answer["uncertainty"], wanted.uncertainty, rtol=1e-5, atol=1e-5)
    assert ("legal_actions" in answer) == (kind == "discrete")
    assert model.calibration is not None
    np.testing.assert_allclose(
        answer["state_error_bound"], model.calibration.bound(wanted.uncertainty), rtol=1e-4
    )
    assert manifest.config["state_error_coverage"] == 0.9


def test_a_memory_is_served_and_runs_on_the_edge(
    discrete_spec: ScenarioSpec, make_episodes: Callable[..., Any], tmp_path: Path
) -> None:
    """A whole episode of 6 steps: what an export answers goes in again with the next call."""
    config = PolicyConfig(
        algorithm="macql", width=16, memory=5, window=4, burn_in=2, steps=10, batch_size=16,
        log_every=10, checkpoint_every=10,
    )  # fmt: skip
    data = write_dataset(tmp_path / "data", discrete_spec, make_episodes(discrete_spec, 16), {}, {})
    run = train_policy(data, config, 0, tmp_path / "policy", loggers=[])
    policy, n = load_policy(run), discrete_spec.num_agents
    path = export_policy(run, "p", tmp_path / "models")
    assert set(artifacts.verify(path, "export").figures["parity"]) == {"actions", "next_memory"}
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    edge = [
        Interpreter(str(file)).get_signature_runner("serving_default")
        for file in export_bundle(run, tmp_path / "edge")
    ]
    memory = np.zeros((1, n, 5), np.float32)
    on_server, on_edge = memory, [memory[:, i] for i in range(n)]
    for t in range(6):
        golden = golden_inputs(discrete_spec, 1, seed=t)
        wanted, memory = policy.act_on(
            golden.observations, golden.legal_actions > 0.5, memory, np.random.default_rng(0)
        )
        answer = served(
            observations=tf.constant(golden.observations),
            legal_actions=tf.constant(golden.legal_actions),
            memory=tf.constant(on_server),
        )
        on_server = answer["next_memory"].numpy()
        np.testing.assert_array_equal(answer["actions"], wanted)
        np.testing.assert_allclose(on_server, memory, atol=1e-5)
        for i, runner in enumerate(edge):
            one = runner(
                observation=golden.observations[:, i],
                legal_actions=golden.legal_actions[:, i],
                memory=on_edge[i],
            )
            on_edge[i] = one["next_memory"]
            np.testing.assert_array_equal(one["action"], wanted[:, i])
            np.testing.assert_allclose(on_edge[i], memory[:, i], atol=1e-5)


def test_a_run_of_another_kind_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(LogoError, match="is a world_model artefact, expected a policy"):
        export_policy(runs / "discrete/world_model", "p", tmp_path)
    with pytest.raises(LogoError, match="is a policy artefact, expected a world_model"):
        export_world_model(runs / "discrete/policy", "m", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_is_served_and_runs_on_the_edge_as_it_acts(
    kind: str, runs: Path, tmp_path: Path
) -> None:
    run = runs / kind / "policy"
    policy = load_policy(run)
    spec = policy.spec
    golden = golden_inputs(spec, 6, seed=3)
    wanted = policy.act(golden.observations, golden.legal_actions > 0.5, np.random.default_rng(0))

    path = export_policy(run, "p", tmp_path)
    inputs = {"observations": tf.constant(golden.observations)}
    if spec.discrete:
        inputs["legal_actions"] = tf.constant(golden.legal_actions)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    np.testing.assert_allclose(served(**inputs)["actions"], wanted, atol=1e-5)

    for i, file in enumerate(export_bundle(run, tmp_path / "edge")):
        runner = Interpreter(str(file)).get_signature_runner("serving_default")
        for b in range(6):
            one = {"observation": golden.observations[b : b + 1, i, : spec.observation_dims[i]]}
            if spec.discrete:
                one["legal_actions"] = golden.legal_actions[b : b + 1, i, : spec.action_dims[i]]
            action = runner(**one)["action"][0]
            mine = wanted[b, i] if spec.discrete else wanted[b, i, : spec.action_dims[i]]
            np.testing.assert_allclose(action, mine, atol=1e-5)
    for made in (path, tmp_path / "edge"):
        manifest = artifacts.verify(made, "export")
        assert manifest.parents == {"policy": policy.manifest.hash}
        assert manifest.figures["max_difference"] <= 1e-5


_LOAD = """
import json, sys
BLOCKED = ("logo_tf", "tf_agents", "keras", "tf_keras", "tensorflow_probability")
# None makes both an import and a search fail as if the package were not installed.
sys.modules.update(dict.fromkeys(BLOCKED))
import tensorflow as tf
found = {}
for path, inputs in json.load(sys.stdin).items():
    served = tf.saved_model.load(path).signatures["serving_default"]
    spec = served.structured_input_signature[1]
    found[path] = {
        name: value.numpy().tolist()
        for name, value in served(
            **{name: tf.constant(v, spec[name].dtype) for name, v in inputs.items()}
        ).items()
    }
assert not [n for n, m in sys.modules.items() if m is not None and n.split(".")[0] in BLOCKED]
print(json.dumps(found))
"""


def load_with_tensorflow_alone(requests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ask exports in a process that can import neither this package nor Keras, TF-Agents, TFP."""
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_exports_load_where_tensorflow_alone_is_installed(runs: Path, tmp_path: Path) -> None:
    requests, wanted = {}, {}
    for kind in KINDS:
        model = load_world_model(runs / kind / "world_model")
        policy = load_policy(runs / kind / "policy")
        golden = golden_inputs(model.spec, 2, seed=1)
        observations = golden.observations.tolist()
        path = str(export_world_model(runs / kind / "world_model", f"m_{kind}", tmp_path))
        requests[path] = {
            "observations": observations,
            "actions": golden.actions.tolist(),
            "state": golden.state.tolist(),
        }
        prediction = model.step(
            golden.state, golden.observations, golden.actions, golden.agent_mask
        )
        wanted[path] = ("next_state", prediction.state)
        path = str(export_policy(runs / kind / "policy", f"p_{kind}", tmp_path))
        requests[path] = {"observations": observations}
        if kind == "discrete":
            requests[path]["legal_actions"] = golden.legal_actions.tolist()
        rng = np.random.default_rng(0)
        actions = policy.act(golden.observations, golden.legal_actions > 0.5, rng)
        wanted[path] = ("actions", actions)
    answers = load_with_tensorflow_alone(requests)
    for path, (name, value) in wanted.items():
        np.testing.assert_allclose(answers[path][name], value, atol=1e-5)
