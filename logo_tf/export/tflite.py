"""TFLite files of a policy, one an agent, for devices that have no TensorFlow.

Only builtin ops, a batch of 1 and no randomness, so any TFLite runtime will do. The
signature ``serving_default`` takes `observation` (1, O_i) float32 and gives `action`
(1, A_i) float32; with discrete actions it takes `legal_actions` (1, A_i) float32 too
(legal above 0.5) and gives `action` (1,) int32. A policy with a memory also takes `memory`
(1, M) float32, zeros as an episode begins, and gives `next_memory` for the next call.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError
from logo_tf.export import signatures
from logo_tf.export.golden import GoldenInputs, Scales, golden_inputs, scales_of
from logo_tf.export.parity import require_parity, require_same_choices
from logo_tf.export.saved_model import lineage, masked_scores
from logo_tf.metrics import progress

_INPUTS = 256
_SEED = 20260712


def export_tflite(run: Path, out: Path) -> list[Path]:
    """Export every agent's policy as ``out/AGENT.tflite``, beside a manifest.

    Args:
      run: the policy artefact.
      out: the folder to make.

    Returns:
      The files, in the order of the agents. The manifest's ``figures["parity"]`` holds
      each one's largest difference to the policy on random inputs.

    Raises:
      LogoError: the run is not a policy, ``out`` exists, the policy needs an op that
        TFLite lacks, a file does not act as the policy does, or the disk refuses.
    """
    from logo_tf.agents.policy import load_policy

    policy = load_policy(run)
    scales = scales_of(getattr(policy, "standardisation", None))
    return write_tflite(policy, policy.manifest, Path(out), scales)


def write_tflite(
    policy: signatures.ExportablePolicy, parent: Manifest, out: Path, scales: Scales | None = None
) -> list[Path]:
    """Export a loaded policy's agents.

    Args:
      policy: the policy.
      parent: its run's manifest.
      out: the folder to make.
      scales: where the random inputs lie that it is compared on.
    """
    spec = policy.spec
    names = [f"{name}.tflite" for name in file_names(spec.agents)]
    golden = golden_inputs(spec, _INPUTS, _SEED, scales, policy.memory_dim)
    expected = policy.act_on(
        golden.observations,
        golden.legal_actions > 0.5,
        golden.memory,
        np.random.default_rng(_SEED),
    )
    parity, described = {}, {}
    bar = progress("export: TFLite", len(names), unit="agent")
    with artifacts.writing(out), contextlib.closing(bar):
        for i, name in enumerate(names):
            traced = signatures.agent_signature(policy, i)
            content = convert(traced, f"{out / name}")
            require_builtin(content, f"{out / name}")
            parity[name] = _compare(policy, i, content, golden, expected, f"{out / name}")
            described[name] = {
                "agent": spec.agents[i],
                "index": i,
                "signatures": {signatures.SIGNATURE: signatures.describe(traced.function)},
            }
            (artifacts.partial(out) / name).write_bytes(content)
            bar.update()
        artifacts.publish(
            out,
            Manifest(
                kind="export",
                config={"format": "tflite", "of": parent.kind, "files": described},
                figures={"parity": parity, "max_difference": max(parity.values())},
                **lineage(parent),
            ),
        )
    return [out / name for name in names]


def file_names(agents: tuple[str, ...]) -> list[str]:
    """Return a file name for each agent: its name, where plain and unique, else numbered."""
    plain = [re.sub(r"[^A-Za-z0-9_-]", "_", agent) for agent in agents]
    if len(set(plain)) == len(plain) and all(plain):
        return plain
    return [f"{i}_{name}" for i, name in enumerate(plain)]


def convert(traced: signatures.Traced, what: str) -> bytes:
    """Convert a signature into a TFLite flatbuffer.

    From the function itself: ``from_saved_model`` on an export that held a Keras 3
    model gave a small file that answers NaN, without any error.

    Raises:
      LogoError: it needs an op that is not builtin.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.function], traced.module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:
        # The converter's error class is private; it alone is expected here.
        if type(error).__name__ != "ConverterError":
            raise
        ops = re.search(r"^(?:Custom|TF Select) ops: (.+)$", str(error), re.MULTILINE)
        reason = ops[1].strip() if ops else str(error).splitlines()[0]
        raise LogoError(f"{what}: TFLite's builtin ops cannot do it: {reason}") from None


def require_builtin(content: bytes, what: str) -> None:
    """Check a flatbuffer's operator codes.

    Raises:
      LogoError: it holds a custom op, or one of TensorFlow's (Flex).
    """
    from ai_edge_litert import schema_py_generated as schema

    codes = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).operatorCodes
    custom = [code.customCode for code in codes if code.customCode is not None]
    if custom:
        names = ", ".join(sorted(c.decode() if isinstance(c, bytes) else c for c in custom))
        raise LogoError(f"{what}: holds ops that are not TFLite builtins: {names}")


def _compare(
    policy: signatures.ExportablePolicy,
    agent: int,
    content: bytes,
    golden: GoldenInputs,
    expected: tuple[np.ndarray, np.ndarray],
    what: str,
) -> float:
    """The file's largest difference to the policy over the golden inputs, row by row.

    ``expected``: the joint actions and the memory after them.
    """
    from ai_edge_litert.interpreter import Interpreter

    spec = policy.spec
    runner = Interpreter(model_content=content).get_signature_runner(signatures.SIGNATURE)
    answers = []
    for b in range(len(golden.observations)):
        inputs = {"observation": golden.observations[b, agent, : spec.observation_dims[agent]]}
        if spec.discrete:
            inputs["legal_actions"] = golden.legal_actions[b, agent, : spec.action_dims[agent]]
        if policy.memory_dim:
            inputs["memory"] = golden.memory[b, agent]
        answers.append(runner(**{name: value[None] for name, value in inputs.items()}))
    actual = {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}
    chosen, memory = (field[:, agent] for field in expected)
    gaps, wanted = [], {}
    if policy.memory_dim:
        wanted["next_memory"] = memory
    if spec.discrete:
        scores = masked_scores(policy, agent, golden)
        gaps.append(require_same_choices(chosen, actual.pop("action"), scores, what))
    else:
        wanted["action"] = chosen[:, : spec.action_dims[agent]]
    return max(*gaps, *require_parity(wanted, actual, what).values(), 0.0)
