"""A team for devices: a folder of TFLite files and all that it takes to run them.

```
OUT/AGENT.tflite    one an agent, or team.tflite for all
OUT/policy.json     who acts, what goes in and comes out, sha256 of the files
OUT/samples.npz     inputs and the policy's answers, to check a device with
OUT/team.py         the runner: a copy of logo_tf/edge/team.py, which needs nothing else of us
OUT/manifest.json   lineage
```

The files hold builtin ops, a batch of 1 and no randomness, so any TFLite runtime will do.
The signature ``serving_default`` takes `observation` (1, O_i) float32 in raw units and gives
`action` (1, A_i) float32 within the bounds; with discrete actions it takes `legal_actions`
(1, A_i) float32 too (legal above 0.5) and gives `action` (1,) int32. A policy with a memory
also takes `memory` (1, M) float32, zeros as an episode begins, and gives `next_memory` for the
next call. The file of all agents is as wide as the widest, and takes `agent` (1,) int32.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.edge import team
from logo_tf.export import signatures
from logo_tf.export.golden import GoldenInputs, Scales, golden_inputs, scales_of
from logo_tf.export.options import TOLERANCES, Layout, Precision
from logo_tf.export.parity import require_parity, require_same_choices
from logo_tf.export.saved_model import lineage, masked_scores
from logo_tf.export.tflite import convert, require_builtin
from logo_tf.metrics import progress

_INPUTS = 256
_SAMPLES = 32
_SEED = 20260712


def export_bundle(
    run: Path, out: Path, precision: Precision = "float32", layout: Layout = "agents"
) -> list[Path]:
    """Export a policy for devices.

    Args:
      run: the policy artefact.
      out: the folder to make.
      precision: of the weights.
      layout: ``agents`` is a file an agent, ``shared`` one for all, which holds the weights
        that agents share once.

    Returns:
      The .tflite files, in the order of the agents. The manifest's ``figures["parity"]``
      holds each one's largest difference to the policy on random inputs.

    Raises:
      LogoError: the run is not a policy, ``out`` exists, the policy needs an op that
        TFLite lacks, a file does not act as the policy does, or the disk refuses.
    """
    from logo_tf.agents.policy import load_policy

    policy = load_policy(run)
    scales = scales_of(getattr(policy, "standardisation", None))
    return write_bundle(policy, policy.manifest, Path(out), precision, layout, scales)


def write_bundle(
    policy: signatures.ExportablePolicy,
    parent: Manifest,
    out: Path,
    precision: Precision = "float32",
    layout: Layout = "agents",
    scales: Scales | None = None,
) -> list[Path]:
    """Export a loaded policy's agents; arguments as ``export_bundle``'s.

    Args:
      policy: the policy.
      parent: its run's manifest.
      out: the folder to make.
      precision: of the weights.
      layout: of the files.
      scales: where the random inputs lie that it is compared on.
    """
    spec = policy.spec
    golden = golden_inputs(spec, _INPUTS, _SEED, scales, policy.memory_dim)
    expected = policy.act_on(
        golden.observations,
        golden.legal_actions > 0.5,
        golden.memory,
        np.random.default_rng(_SEED),
    )
    makers = _files(policy, layout)
    parity: dict[str, float] = {}
    described: dict[str, Any] = {}
    bar = progress("export: TFLite", len(makers), unit="file")
    with artifacts.writing(out), contextlib.closing(bar):
        aside = disk.partial(out)
        contents: dict[str, bytes] = {}
        for name, (agents, trace) in makers.items():
            traced = trace()
            contents[name] = convert(traced, f"{out / name}", precision)
            require_builtin(contents[name], f"{out / name}")
            described[name] = {
                "agents": [spec.agents[i] for i in agents],
                "signatures": {signatures.SIGNATURE: signatures.describe(traced.function)},
            }
            (aside / name).write_bytes(contents[name])
            bar.update()
        _write_samples(aside / team.SAMPLES, golden, expected)
        note = _policy(policy, precision, makers, aside)
        (aside / team.POLICY).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(team.__file__, aside / "team.py")
        for name, (agents, _) in makers.items():
            parity[name] = max(
                _compare(
                    team.Agent(note["agents"][i], note, contents[name]),
                    policy,
                    golden,
                    expected,
                    TOLERANCES[precision],
                    f"{out / name}",
                )
                for i in agents
            )
        artifacts.publish(
            out,
            Manifest(
                kind="export",
                config={
                    "format": "tflite",
                    "of": parent.kind,
                    "precision": precision,
                    "layout": layout,
                    "files": described,
                },
                figures={"parity": parity, "max_difference": max(parity.values())},
                **lineage(parent),
            ),
        )
    return [out / name for name in makers]


def file_names(agents: tuple[str, ...]) -> list[str]:
    """Return a file name for each agent: its name, where plain and unique, else numbered."""
    plain = [re.sub(r"[^A-Za-z0-9_-]", "_", agent) for agent in agents]
    if len(set(plain)) == len(plain) and all(plain):
        return plain
    return [f"{i}_{name}" for i, name in enumerate(plain)]


def _files(
    policy: signatures.ExportablePolicy, layout: Layout
) -> dict[str, tuple[list[int], Callable[[], signatures.Traced]]]:
    """File -> the agents it is for, and what traces it."""
    n = policy.spec.num_agents
    if layout == "shared":
        return {"team.tflite": (list(range(n)), lambda: signatures.shared_signature(policy))}

    def tracer(agent: int) -> Callable[[], signatures.Traced]:
        return lambda: signatures.agent_signature(policy, agent)

    names = file_names(policy.spec.agents)
    return {f"{name}.tflite": ([i], tracer(i)) for i, name in enumerate(names)}


def _policy(
    policy: signatures.ExportablePolicy,
    precision: Precision,
    files: dict[str, tuple[list[int], Callable[[], signatures.Traced]]],
    folder: Path,
) -> dict[str, Any]:
    """What ``policy.json`` says, of files that stand in ``folder``."""
    spec = policy.spec
    agents = []
    for name, (indices, _) in files.items():
        for i in indices:
            width = spec.action_dims[i]
            entry: dict[str, Any] = {
                "name": spec.agents[i],
                "index": i,
                "file": name,
                "observation_dim": spec.observation_dims[i],
                "action_dim": width,
            }
            if not spec.discrete:
                entry["action_low"] = list(spec.action_low[i][:width])
                entry["action_high"] = list(spec.action_high[i][:width])
            agents.append(entry)
    return {
        "format": team.FORMAT,
        "version": team.VERSION,
        "scenario": spec.name,
        "environment": spec.environment,
        "precision": precision,
        "actions": spec.action_kind,
        "memory_dim": policy.memory_dim,
        "normalisation": "in the files: observations go in in raw units, vectors come out "
        "within their bounds",
        "legal_actions": "the answer is the legal action of the highest score, and 0 where none "
        "is legal; legal is above 0.5"
        if spec.discrete
        else None,
        "agents": agents,
        "files": {name: disk.sha256(folder / name) for name in (*files, team.SAMPLES)},
    }


def _write_samples(
    file: Path, golden: GoldenInputs, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    np.savez(
        file,
        observations=golden.observations[:_SAMPLES],
        legal_actions=golden.legal_actions[:_SAMPLES],
        memory=golden.memory[:_SAMPLES],
        actions=expected[0][:_SAMPLES],
    )


def _compare(
    agent: team.Agent,
    policy: signatures.ExportablePolicy,
    golden: GoldenInputs,
    expected: tuple[np.ndarray, np.ndarray],
    tolerance: float,
    what: str,
) -> float:
    """The largest difference of an agent on a device to the policy over the golden inputs.

    ``expected``: the joint actions and the memory after them.
    """
    spec, i = policy.spec, agent.index
    answers = [
        agent.step(
            golden.observations[b, i, : agent.observation_dim],
            golden.legal_actions[b, i, : agent.action_dim] if spec.discrete else None,
            golden.memory[b, i],
        )
        for b in range(len(golden.observations))
    ]
    actions, memories = (np.asarray(field) for field in zip(*answers, strict=True))
    chosen, memory = (field[:, i] for field in expected)
    gaps, wanted, actual = [], {}, {}
    if policy.memory_dim:
        wanted["next_memory"], actual["next_memory"] = memory, memories
    if spec.discrete:
        scores = masked_scores(policy, i, golden)
        gaps.append(require_same_choices(chosen, actions, scores, what, tolerance))
    else:
        wanted["action"], actual["action"] = chosen[:, : agent.action_dim], actions
    found = require_parity(wanted, actual, what, tolerance=tolerance)
    return max(*gaps, *found.values(), 0.0)
