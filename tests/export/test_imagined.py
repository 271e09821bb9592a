"""Signatures that imagine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.export.golden import golden_inputs
from logo_tf.export.ops import require_allowed_ops
from logo_tf.export.saved_model import write_world_model
from logo_tf.export.signatures import agent_mask
from logo_tf.export.warmup import read_warmup
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.world_model.calibration import Calibration, StepBound
from logo_tf.world_model.protocol import next_agent_mask, next_legal

KINDS = ["continuous", "discrete"]


class FakePlayer:
    """Does what the sums of its observations say, and explores by whole numbers."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.manifest = Manifest(kind="policy", spec=spec.to_dict())

    def exploring(self, exploration: tf.Tensor) -> GraphPolicy:
        def act(observations: Any, legal: Any, memory: Any, seed: Any) -> tuple[Any, Any]:
            total = tf.reduce_sum(observations, axis=-1) + memory[..., 0]
            noise = exploration * tf.random.stateless_normal(tf.shape(total), seed)
            if self.spec.discrete:
                scores = tf.cast(tf.range(self.spec.action_dim), tf.float32)
                scores = -tf.abs(scores - tf.abs(total + noise)[..., None])
                actions = tf.argmax(tf.where(legal, scores, -1e9), -1, output_type=tf.int32)
            else:
                bounded = tf.tanh(total + noise)[..., None]
                actions = tf.constant(self.spec.action_high) * bounded
            return actions, memory + 1.0

        return GraphPolicy(act, memory_dim=1)


@pytest.fixture(scope="module")
def exports(
    world_models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A version of each kind, with a player, and bounds for two steps where agents choose."""
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for kind, model in world_models.items():
        if kind == "discrete":
            lines = tuple(StepBound((0.0, 1.0), (0.1 * k, k), (1.0,), rows=9) for k in (1, 2))
            scale = (1.0,) * model.spec.state_dim
            model.calibration = Calibration(0.9, "max", (0.9,), scale, lines, 8)
        parent = Manifest(kind="world_model", spec=model.spec.to_dict())
        made[kind] = write_world_model(model, parent, kind, folder, policy=FakePlayer(model.spec))
        model.calibration = None
    return made


def stepped(model: Any, golden: Any, choose: Any, horizon: int) -> list[tuple[Any, Any, Any]]:
    """(actions, prediction, running) of each step, one call of the model after the other."""
    spec = model.spec
    state, observations = golden.state, golden.observations
    alive = agent_mask(observations, spec)
    legal, running = golden.legal_actions > 0.5, np.ones(len(state))
    found = []
    for t in range(horizon):
        actions = choose(t, observations, legal)
        predicted = model.step(state, observations, actions, alive)
        legal = next_legal(predicted, spec)
        alive = alive * next_agent_mask(legal, spec)
        observations = predicted.observations * alive[..., None]
        found.append((actions, predicted._replace(observations=observations), running))
        running = running * (predicted.termination.numpy() <= 0.5)
        state, legal = predicted.state, legal.numpy()
    return found


def check(answer: dict[str, np.ndarray], steps: list[tuple[Any, Any, Any]]) -> None:
    for t, (actions, predicted, running) in enumerate(steps):
        np.testing.assert_allclose(answer["actions"][:, t], actions, atol=1e-5)
        np.testing.assert_allclose(answer["next_observations"][:, t], predicted.observations,
                                   atol=1e-5)  # fmt: skip
        np.testing.assert_allclose(answer["next_state"][:, t], predicted.state, atol=1e-5)
        np.testing.assert_allclose(answer["next_state_std"][:, t], predicted.state_std, atol=1e-5)
        np.testing.assert_allclose(answer["reward"][:, t], predicted.reward, atol=1e-5)
        np.testing.assert_allclose(answer["uncertainty"][:, t], predicted.uncertainty, atol=1e-5)
        np.testing.assert_allclose(answer["termination"][:, t], predicted.termination, atol=1e-5)
        np.testing.assert_array_equal(answer["running"][:, t], running)


def ask(path: Path, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
    function = tf.saved_model.load(str(path)).signatures[signature]
    answers = function(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: tensor.numpy() for name, tensor in answers.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("horizon", [1, 5])
def test_imagine_is_one_step_after_the_other(
    kind: str, horizon: int, world_models: dict[str, Any], exports: dict[str, Path]
) -> None:
    model = world_models[kind]
    golden = golden_inputs(model.spec, 4, seed=horizon)
    actions = np.stack([golden_inputs(model.spec, 4, seed=10 + t).actions for t in range(horizon)])
    answer = ask(
        exports[kind],
        "imagine",
        observations=golden.observations,
        state=golden.state,
        actions=np.swapaxes(actions, 0, 1),
    )
    check(answer, stepped(model, golden, lambda t, *_: actions[t], horizon))
    assert answer["reward"].shape == (4, horizon)
    assert ("legal_actions" in answer) == (kind == "discrete")


@pytest.mark.parametrize("kind", KINDS)
def test_imagine_policy_plays_the_policy(
    kind: str, world_models: dict[str, Any], exports: dict[str, Path]
) -> None:
    model, path = world_models[kind], exports[kind]
    golden = golden_inputs(model.spec, 4, seed=2)
    given: dict[str, Any] = {"observations": golden.observations, "state": golden.state}
    if kind == "discrete":
        given["legal_actions"] = golden.legal_actions
    given |= {"horizon": np.int32(4), "seed": np.array([1, 2], np.int32)}
    policy = FakePlayer(model.spec).exploring(tf.constant(0.0))

    def choose(t: int, observations: Any, legal: Any) -> Any:
        memory = np.full((4, model.spec.num_agents, 1), t, np.float32)
        return policy.act(observations, legal, memory, np.array([0, 0], np.int32))[0]

    best = ask(path, "imagine_policy", **given, exploration=np.float32(0.0))
    check(best, stepped(model, golden, choose, 4))
    exploring = ask(path, "imagine_policy", **given, exploration=np.float32(0.5))
    again = ask(path, "imagine_policy", **given, exploration=np.float32(0.5))
    given["seed"] = np.array([1, 3], np.int32)
    other = ask(path, "imagine_policy", **given, exploration=np.float32(0.5))
    np.testing.assert_array_equal(exploring["actions"], again["actions"])
    assert np.any(exploring["actions"] != best["actions"])
    assert np.any(exploring["actions"] != other["actions"])


def test_bounds_follow_the_branch_as_far_as_they_were_measured(exports: dict[str, Path]) -> None:
    manifest = artifacts.verify(exports["discrete"], "export")
    golden = golden_inputs(manifest.scenario, 3, seed=1)
    given = {"observations": golden.observations, "state": golden.state}
    actions = np.repeat(golden.actions[:, None], 4, axis=1)
    answer = ask(exports["discrete"], "imagine", **given, actions=actions)
    worst = np.maximum.accumulate(answer["uncertainty"], axis=1)
    for k in (1, 2):
        # A line from 0.1 k at 0 to k at 1, in proportion above.
        u = worst[:, k - 1]
        line = 0.1 * k + np.clip(u, 0, 1) * 0.9 * k
        np.testing.assert_allclose(
            answer["state_error_bound"][:, k - 1], line * np.maximum(u, 1), rtol=1e-4
        )
    assert np.all(np.isinf(answer["state_error_bound"][:, 2:]))
    one = ask(exports["discrete"], "imagine", **given, actions=actions[:, :1])
    assert one["state_error_bound"].shape == (3, 1)
    assert "state_error_bound" not in ask(
        exports["continuous"], "imagine", **_continuous(exports["continuous"])
    )


def _continuous(path: Path, horizon: int = 2) -> dict[str, np.ndarray]:
    golden = golden_inputs(artifacts.load_manifest(path).scenario, 1, seed=1)
    actions = np.repeat(golden.actions[:, None], horizon, axis=1)
    return {"observations": golden.observations, "state": golden.state, "actions": actions}


@pytest.mark.parametrize("horizon", [0, 1001])
def test_a_horizon_that_is_none_or_too_long_is_refused(
    horizon: int, exports: dict[str, Path]
) -> None:
    given = _continuous(exports["continuous"], horizon)
    message = f"the horizon must be 1 to 1000, got.*{horizon}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(exports["continuous"], "imagine", **given)
    del given["actions"]
    given |= {"horizon": np.int32(horizon), "exploration": np.float32(0), "seed": np.zeros(2, "i4")}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(exports["continuous"], "imagine_policy", **given)


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_says_what_it_can_and_warms_it_up(kind: str, exports: dict[str, Path]) -> None:
    path = exports[kind]
    require_allowed_ops(path)
    manifest = artifacts.verify(path, "export")
    assert set(manifest.parents) == {"world_model", "policy"}
    signatures = ["serving_default", "imagine", "imagine_policy", "about"]
    assert set(manifest.config["signatures"]) == set(signatures)
    assert {"next_state", "imagine/next_state", "imagine_policy/reward"} <= set(
        manifest.figures["parity"]
    )
    assert "assets.extra/tf_serving_warmup_requests" in manifest.files
    exchanges = list(read_warmup(path))
    assert [one.signature for one in exchanges] == signatures
    for one in exchanges:
        answer = ask(path, one.signature, **one.inputs)
        assert set(answer) == set(one.outputs)
        if one.signature == "about":
            assert answer["about"] == one.outputs["about"].item()
            continue
        for name, value in one.outputs.items():
            np.testing.assert_allclose(answer[name], value, rtol=1e-5, atol=1e-6)
