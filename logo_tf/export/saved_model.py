"""SavedModels of world models and policies, in TensorFlow Serving's layout.

A version folder is a SavedModel and a logo_tf artefact at once: ``manifest.json``
stands at its top, beside ``saved_model.pb``. TensorFlow Serving opens only the files
it knows and ignores others, while every reader of artefacts (``logo-tf show``, the
embedded server's sha256 check) finds the manifest where all artefacts have it.

The export loads where TensorFlow alone is installed: it holds the variables and the
traced graph, and no object of this package, Keras, TF-Agents or TFP.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.config import require
from logo_tf.data.standardisation import Standardisation
from logo_tf.errors import LogoError
from logo_tf.export import imagined, remembering, signatures
from logo_tf.export.about import ABOUT, FORMAT, About, about_signature
from logo_tf.export.golden import GoldenInputs, Scales, golden_inputs, scales_of
from logo_tf.export.ops import require_allowed_ops
from logo_tf.export.parity import largest, require_parity, require_same_choices
from logo_tf.export.publishing import check_name, new_version, tensorflow_guarded
from logo_tf.export.warmup import Exchange, write_warmup
from logo_tf.metrics import progress
from logo_tf.specs import ScenarioSpec

if TYPE_CHECKING:
    from logo_tf.imagination.rollout import GraphPolicy
    from logo_tf.world_model.protocol import WorldModel

Tensors = Mapping[str, np.ndarray]
Call = Callable[[Tensors], dict[str, np.ndarray]]
Compare = Callable[[GoldenInputs, Call, str], dict[str, float]]

# One row is what a client sends, several what batching makes of it; odd sizes leave
# remainders in vectorised kernels.
_BATCHES = (1, 3, 64)
_SEED = 20260711
_HORIZON = 3  # of the rollouts that are compared


class ExploringPolicy(Protocol):
    """What an export needs of a policy to imagine with."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of its run."""

    def exploring(self, exploration: tf.Tensor) -> GraphPolicy:
        """The policy as a graph function: see ``agents.team_policy.graph_policy``."""


class Signature(NamedTuple):
    """One signature of an export.

    traced: the function; inputs: what it is asked of golden inputs; compare: the largest
    difference of each answer to the original's, of golden inputs and a call of the export.
    """

    traced: signatures.Traced
    inputs: Callable[[GoldenInputs], dict[str, np.ndarray]]
    compare: Compare


def export_world_model(run: Path, name: str, to: Path, policy: Path | None = None) -> Path:
    """Export a trained world model as ``to/name/VERSION``.

    Args:
      run: the world-model artefact.
      name: of the servable model.
      to: the model repository, such as ``saved_models``.
      policy: a policy artefact to imagine with, in a signature of its own.

    Returns:
      The version's folder. Its manifest's ``figures["parity"]`` holds the largest
      difference to the original of every output.

    Raises:
      LogoError: the run is not a world model, the name is not one, the policy is of
        another scenario, the export does not answer as the original, or the disk refuses.
    """
    # Imported late: whoever exports one kind does not pay for the libraries of the other.
    from logo_tf.world_model.artifact import UNITS, load_world_model

    check_name(name)
    model = load_world_model(run)
    units = Standardisation.from_dict(json.loads((Path(run) / UNITS).read_text(encoding="utf-8")))
    parent = artifacts.load_manifest(run, "world_model")
    player = None
    if policy is not None:
        from logo_tf.agents.policy import load_policy

        player = load_policy(policy)
        model.spec.require_fits(player.spec, f"the world model {run}", f"the policy {policy}")
    return write_world_model(model, parent, name, Path(to), scales_of(units), player)


def export_policy(run: Path, name: str, to: Path) -> Path:
    """Export a trained joint policy as ``to/name/VERSION``.

    Args, Returns, Raises: as ``export_world_model``, of a policy artefact. Discrete
    choices must agree but for ties of the policy's scores.
    """
    from logo_tf.agents.policy import load_policy

    check_name(name)
    policy = load_policy(run)
    scales = scales_of(getattr(policy, "standardisation", None))
    return write_policy(policy, policy.manifest, name, Path(to), scales)


def write_world_model(
    model: WorldModel,
    parent: Manifest,
    name: str,
    to: Path,
    scales: Scales | None = None,
    policy: ExploringPolicy | None = None,
) -> Path:
    """Export a loaded world model.

    Args:
      model: the world model.
      parent: its run's manifest.
      name: of the servable model.
      to: the model repository.
      scales: where the random inputs lie that it is compared on.
      policy: one to imagine with.
    """
    spec = model.spec
    known = scales or Scales()
    spreads = {
        f"next_{name}{suffix}": spread
        for name, spread in (("observations", known.observation_std), ("state", known.state_std))
        for suffix in ("", "_std")
    }
    spreads |= {"reward": known.reward_std, "reward_std": known.reward_std}

    def inputs(golden: GoldenInputs) -> dict[str, np.ndarray]:
        return {
            "observations": golden.observations,
            "actions": golden.actions,
            "state": golden.state,
        }

    def compare(golden: GoldenInputs, call: Call, what: str) -> dict[str, float]:
        prediction = model.step(
            tf.constant(golden.state),
            tf.constant(golden.observations),
            tf.constant(golden.actions),
            tf.constant(golden.agent_mask),
        )
        bound = signatures.bound_without_memory(model)
        expected = signatures.prediction_tensors(prediction, spec, bound)
        actual = call(inputs(golden))
        return require_parity({k: v.numpy() for k, v in expected.items()}, actual, what, spreads)

    def remembered(golden: GoldenInputs) -> dict[str, np.ndarray]:
        return inputs(golden) | {"memory": golden.memory}

    def rollouts(golden: GoldenInputs) -> dict[str, np.ndarray]:
        # Each row takes another row's action at each step.
        actions = [np.roll(golden.actions, t, axis=0) for t in range(_HORIZON)]
        return {**inputs(golden), "actions": np.stack(actions, axis=1)}

    def played(golden: GoldenInputs) -> dict[str, np.ndarray]:
        asked: dict[str, Any] = inputs(golden) | {
            "horizon": np.int32(_HORIZON),
            "exploration": np.float32(0.1),
            "seed": np.array([3, 4], np.int32),
        }
        del asked["actions"]
        return asked | ({"legal_actions": golden.legal_actions} if spec.discrete else {})

    served = {
        signatures.SIGNATURE: Signature(signatures.world_model_signature(model), inputs, compare)
    }
    asked = {imagined.IMAGINE: (imagined.imagine_signature(model), rollouts)}
    if model.memory_dim:
        asked[remembering.STEP] = remembering.step_signature(model), remembered
        asked[remembering.OBSERVE] = remembering.observe_signature(model), remembered
    parents = {parent.kind: parent.hash}
    if policy is not None:
        traced = imagined.imagine_policy_signature(model, policy.exploring)
        asked[imagined.IMAGINE_POLICY] = traced, played
        parents["policy"] = policy.manifest.hash
    for signature, (traced, ask) in asked.items():
        served[signature] = Signature(traced, ask, _as_traced(traced, ask, spreads))
    coverage = model.calibration.coverage if model.calibration else None
    stated = {"state_error_coverage": coverage}
    about = About("world_model", spec, model.memory_dim, model.routes, tuple(served))
    return _write(about, served, scales, parent, name, to, stated, parents)


def _as_traced(
    traced: signatures.Traced,
    inputs: Callable[[GoldenInputs], dict[str, np.ndarray]],
    spreads: Mapping[str, Any],
) -> Compare:
    """Compare with the function as it was traced; that it says the right thing, tests show."""

    def compare(golden: GoldenInputs, call: Call, what: str) -> dict[str, float]:
        given = inputs(golden)
        expected = traced.function(**{name: tf.constant(value) for name, value in given.items()})
        wanted, actual = {name: value.numpy() for name, value in expected.items()}, call(given)
        # No bound is infinity on both sides.
        for tensors in (wanted, actual):
            if "state_error_bound" in tensors:
                bound = tensors["state_error_bound"]
                tensors["state_error_bound"] = np.where(np.isinf(bound), 0.0, bound)
        return require_parity(wanted, actual, what, spreads)

    return compare


def write_policy(
    policy: signatures.ExportablePolicy,
    parent: Manifest,
    name: str,
    to: Path,
    scales: Scales | None = None,
) -> Path:
    """Export a loaded policy; arguments as ``write_world_model``."""
    spec = policy.spec

    def inputs(golden: GoldenInputs) -> dict[str, np.ndarray]:
        given = {"observations": golden.observations}
        if spec.discrete:
            given["legal_actions"] = golden.legal_actions
        if policy.memory_dim:
            given["memory"] = golden.memory
        return given

    def compare(golden: GoldenInputs, call: Call, what: str) -> dict[str, float]:
        rng = np.random.default_rng(_SEED)
        expected, after = policy.act_on(
            golden.observations, golden.legal_actions > 0.5, golden.memory, rng
        )
        wanted: dict[str, np.ndarray] = {} if spec.discrete else {"actions": expected}
        if policy.memory_dim:
            wanted["next_memory"] = after
        actual = dict(call(inputs(golden)))
        gaps = {}
        if spec.discrete:
            chosen = actual.pop("actions")
            gaps["actions"] = max(
                require_same_choices(
                    expected[:, i],
                    chosen[:, i],
                    masked_scores(policy, i, golden),
                    f"{what}: agent {agent}",
                )
                for i, agent in enumerate(spec.agents)
            )
        return gaps | require_parity(wanted, actual, what)

    signature = Signature(signatures.policy_signature(policy), inputs, compare)
    served = {signatures.SIGNATURE: signature}
    about = About("policy", spec, policy.memory_dim, 1, tuple(served))
    return _write(about, served, scales, parent, name, to)


def masked_scores(
    policy: signatures.ExportablePolicy, agent: int, golden: GoldenInputs
) -> np.ndarray:
    """Agent i's scores (B, A_i) of golden inputs, illegal actions far below the others."""
    spec = policy.spec
    observation = golden.observations[:, agent, : spec.observation_dims[agent]]
    legal = golden.legal_actions[:, agent, : spec.action_dims[agent]]
    memory = tf.constant(golden.memory[:, agent]) if policy.memory_dim else ()
    scores, _ = policy.agent_function(agent)(tf.constant(observation), memory)
    return signatures.mask_illegal(scores, tf.constant(legal)).numpy()


def lineage(parent: Manifest, role: str | None = None) -> dict[str, Any]:
    """The fields of an export's manifest that say what it was made from."""
    return {
        "spec": parent.spec,
        "parents": {role or parent.kind: parent.hash},
        "provenance": {
            "tensorflow": tf.__version__,
            # An export travels without its run, so it names the grandparents too.
            f"{parent.kind}_parents": parent.parents,
            f"{parent.kind}_config": parent.config,
        },
    }


def _describing(about: About) -> Signature:
    """The signature in which an export says what it is."""

    def compare(golden: GoldenInputs, call: Call, what: str) -> dict[str, float]:
        said = About.from_json(call(inputs(golden))[ABOUT].item())
        require(said == about, f"{what}: the export says of itself what is not so; not exported")
        return {}

    def inputs(golden: GoldenInputs) -> dict[str, np.ndarray]:
        del golden
        return {"format": np.array(FORMAT, np.int32)}

    return Signature(about_signature(about), inputs, compare)


def _write(
    about: About,
    served: Mapping[str, Signature],
    scales: Scales | None,
    parent: Manifest,
    name: str,
    to: Path,
    stated: Mapping[str, Any] | None = None,
    parents: Mapping[str, str] | None = None,
) -> Path:
    """Save, verify and publish; ``stated`` is what the config says beside the signatures."""
    served = {**served, ABOUT: _describing(about)}
    functions = {signature: one.traced.function for signature, one in served.items()}
    variables = {id(v): v for function in functions.values() for v in function.variables}
    module = tf.Module()
    module.weights = list(variables.values())
    with new_version(to, name) as path:
        aside = disk.partial(path)
        with tensorflow_guarded(path):
            tf.saved_model.save(
                module,
                str(aside),
                signatures=functions,
                options=tf.saved_model.SaveOptions(save_debug_info=False),
            )
        require_allowed_ops(aside)
        differences, exchanges = _verify(
            aside, served, scales, parent.scenario, str(path), about.memory_dim
        )
        with tensorflow_guarded(path):
            write_warmup(aside, name, exchanges)
        inherited = lineage(parent)
        artifacts.publish(
            path,
            Manifest(
                kind="export",
                config={
                    "format": "saved_model",
                    "of": parent.kind,
                    "name": name,
                    "version": int(path.name),
                    "signatures": {
                        signature: signatures.describe(function)
                        for signature, function in functions.items()
                    },
                    **(stated or {}),
                },
                figures={
                    "parity": differences,
                    "max_difference": max(differences.values()),
                    "parameters": sum(int(v.shape.num_elements()) for v in variables.values()),
                },
                **(inherited | {"parents": dict(parents or inherited["parents"])}),
            ),
        )
    return path


def _verify(
    aside: Path,
    served: Mapping[str, Signature],
    scales: Scales | None,
    spec: ScenarioSpec,
    what: str,
    memory_dim: int,
) -> tuple[dict[str, float], list[Exchange]]:
    """Load the export back and compare its answers with the original's on golden inputs.

    Returns:
      The largest difference of each output (of other signatures than the default one, under
      ``SIGNATURE/NAME``), and each signature's request and answer of one row.
    """
    loaded = tf.saved_model.load(str(aside))
    bar = progress("export: checks", len(_BATCHES) * len(served), unit="batch")
    found: list[dict[str, float]] = []
    exchanges: list[Exchange] = []
    with contextlib.closing(bar):
        for name, signature in served.items():
            function = loaded.signatures[name]

            def call(inputs: Tensors, function: Any = function) -> dict[str, np.ndarray]:
                answers = function(**{key: tf.constant(value) for key, value in inputs.items()})
                return {key: np.asarray(tensor.numpy()) for key, tensor in answers.items()}

            prefix = "" if name == signatures.SIGNATURE else f"{name}/"
            for batch in _BATCHES:
                golden = golden_inputs(spec, batch, _SEED, scales, memory_dim)
                try:
                    differences = signature.compare(golden, call, what)
                except tf.errors.InvalidArgumentError as error:
                    reason = str(error.message).splitlines()[0]
                    raise LogoError(f"{what}: the export does not run: {reason}") from None
                found.append({f"{prefix}{key}": value for key, value in differences.items()})
                bar.update()
            one = signature.inputs(golden_inputs(spec, 1, _SEED, scales, memory_dim))
            exchanges.append(Exchange(name, one, call(one)))
    return largest(found), exchanges
