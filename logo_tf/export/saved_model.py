"""SavedModels of world models and policies, in TensorFlow Serving's layout.

A version folder is a SavedModel and a logo_tf artefact at once: ``manifest.json``
stands at its top, beside ``saved_model.pb``. TensorFlow Serving opens only the files
it knows and ignores others, while every reader of artefacts (``logo-tf show``, the
embedded server's sha256 check) finds the manifest where all artefacts have it.

The export loads where TensorFlow alone is installed: it holds the variables and the
traced graph, and no object of this package, Keras, TF-Agents or TFP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.data.standardisation import Standardisation
from logo_tf.errors import LogoError
from logo_tf.export import signatures
from logo_tf.export.golden import GoldenInputs, Scales, golden_inputs, scales_of
from logo_tf.export.parity import largest, require_parity, require_same_choices
from logo_tf.export.publishing import check_name, new_version, tensorflow_guarded
from logo_tf.metrics import progress
from logo_tf.specs import ScenarioSpec

if TYPE_CHECKING:
    from logo_tf.world_model.protocol import WorldModel

Tensors = Mapping[str, np.ndarray]
Compare = Callable[[GoldenInputs, Callable[[Tensors], Tensors], str], dict[str, float]]

# One row is what a client sends, several what batching makes of it; odd sizes leave
# remainders in vectorised kernels.
_BATCHES = (1, 3, 64)
_SEED = 20260711


def export_world_model(run: Path, name: str, to: Path) -> Path:
    """Export a trained world model as ``to/name/VERSION``.

    Args:
      run: the world-model artefact.
      name: of the servable model.
      to: the model repository, such as ``saved_models``.

    Returns:
      The version's folder. Its manifest's ``figures["parity"]`` holds the largest
      difference to the original of every output.

    Raises:
      LogoError: the run is not a world model, the name is not one, the export does
        not answer as the original, or the disk refuses.
    """
    # Imported late: whoever exports one kind does not pay for the libraries of the other.
    from logo_tf.world_model.artifact import UNITS, load_world_model

    check_name(name)
    model = load_world_model(run)
    units = Standardisation.from_dict(json.loads((Path(run) / UNITS).read_text(encoding="utf-8")))
    parent = artifacts.load_manifest(run, "world_model")
    return write_world_model(model, parent, name, Path(to), scales_of(units))


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
    model: WorldModel, parent: Manifest, name: str, to: Path, scales: Scales | None = None
) -> Path:
    """Export a loaded world model.

    Args:
      model: the world model.
      parent: its run's manifest.
      name: of the servable model.
      to: the model repository.
      scales: where the random inputs lie that it is compared on.
    """
    spec = model.spec
    known = scales or Scales()
    spreads = {
        f"next_{name}{suffix}": spread
        for name, spread in (("observations", known.observation_std), ("state", known.state_std))
        for suffix in ("", "_std")
    }
    spreads |= {"reward": known.reward_std, "reward_std": known.reward_std}

    def compare(
        golden: GoldenInputs, call: Callable[[Tensors], Tensors], what: str
    ) -> dict[str, float]:
        prediction = model.step(
            tf.constant(golden.state),
            tf.constant(golden.observations),
            tf.constant(golden.actions),
            tf.constant(golden.agent_mask),
        )
        expected = signatures.prediction_tensors(prediction, spec, model.calibration)
        actual = call(
            {
                "observations": golden.observations,
                "actions": golden.actions,
                "state": golden.state,
            }
        )
        return require_parity({k: v.numpy() for k, v in expected.items()}, actual, what, spreads)

    traced = signatures.world_model_signature(model)
    coverage = model.calibration.coverage if model.calibration else None
    stated = {"state_error_coverage": coverage}
    return _write(traced, compare, scales, parent, name, to, stated)


def write_policy(
    policy: signatures.ExportablePolicy,
    parent: Manifest,
    name: str,
    to: Path,
    scales: Scales | None = None,
) -> Path:
    """Export a loaded policy; arguments as ``write_world_model``."""
    spec = policy.spec

    def compare(
        golden: GoldenInputs, call: Callable[[Tensors], Tensors], what: str
    ) -> dict[str, float]:
        rng = np.random.default_rng(_SEED)
        expected, after = policy.act_on(
            golden.observations, golden.legal_actions > 0.5, golden.memory, rng
        )
        inputs = {"observations": golden.observations}
        wanted: dict[str, np.ndarray] = {}
        if spec.discrete:
            inputs["legal_actions"] = golden.legal_actions
        else:
            wanted["actions"] = expected
        if policy.memory_dim:
            inputs["memory"], wanted["next_memory"] = golden.memory, after
        actual = dict(call(inputs))
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

    traced = signatures.policy_signature(policy)
    return _write(traced, compare, scales, parent, name, to, {}, policy.memory_dim)


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


def _write(
    traced: signatures.Traced,
    compare: Compare,
    scales: Scales | None,
    parent: Manifest,
    name: str,
    to: Path,
    stated: Mapping[str, Any],
    memory_dim: int = 0,
) -> Path:
    """Save, verify and publish; ``stated`` is what the config says beside the signatures."""
    function = traced.function
    with new_version(to, name) as path:
        aside = artifacts.partial(path)
        with tensorflow_guarded(path):
            tf.saved_model.save(
                traced.module,
                str(aside),
                signatures={signatures.SIGNATURE: function},
                options=tf.saved_model.SaveOptions(save_debug_info=False),
            )
        differences = _verify(aside, compare, scales, parent.scenario, str(path), memory_dim)
        artifacts.publish(
            path,
            Manifest(
                kind="export",
                config={
                    "format": "saved_model",
                    "of": parent.kind,
                    "name": name,
                    "version": int(path.name),
                    "signatures": {signatures.SIGNATURE: signatures.describe(function)},
                    **stated,
                },
                figures={
                    "parity": differences,
                    "max_difference": max(differences.values()),
                    "parameters": int(sum(v.shape.num_elements() for v in function.variables)),
                },
                **lineage(parent),
            ),
        )
    return path


def _verify(
    aside: Path,
    compare: Compare,
    scales: Scales | None,
    spec: ScenarioSpec,
    what: str,
    memory_dim: int,
) -> dict[str, float]:
    """Load the export back and compare its answers with the original's on golden inputs."""
    loaded = tf.saved_model.load(str(aside))
    served = loaded.signatures[signatures.SIGNATURE]

    def call(inputs: Tensors) -> Tensors:
        answers = served(**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: tensor.numpy() for name, tensor in answers.items()}

    bar = progress("export: checks", len(_BATCHES), unit="batch")

    def check(batch: int) -> dict[str, float]:
        found = compare(golden_inputs(spec, batch, _SEED, scales, memory_dim), call, what)
        bar.update()
        return found

    try:
        return largest(check(batch) for batch in _BATCHES)
    except tf.errors.InvalidArgumentError as error:
        raise LogoError(
            f"{what}: the export does not run: {str(error.message).splitlines()[0]}"
        ) from None
    finally:
        bar.close()
