"""Bundles on a device: latency, size, start and memory: python benchmarks/edge.py [--quick]."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from recording import RESULTS, figure, machine, record

from logo_tf.agents.config import PolicyConfig
from logo_tf.export.options import PRECISIONS

# The sizes of two scenarios, random weights: how good a policy is does not change its speed.
POLICIES = {
    "HalfCheetah-2x3, 2x64": (
        "mamujoco/HalfCheetah-2x3",
        PolicyConfig(algorithm="bc", width=64, depth=2),
    ),
    "HalfCheetah-2x3, default": ("mamujoco/HalfCheetah-2x3", PolicyConfig(algorithm="bc")),
    "5m_vs_6m, GRU": ("smax/5m_vs_6m", None),
}

# What a device runs: the bundle's own copy, isolated from this package and from the user's site.
_DEVICE = """
import json, sys, time
bundle, decisions = sys.argv[1], int(sys.argv[2])
sys.path[:0] = [bundle]
begun = time.perf_counter()
from team import measure
imported = time.perf_counter() - begun
found = measure(bundle, decisions)
status = open("/proc/self/status").read()
rss = int(status.partition("VmRSS:")[2].split()[0]) / 1024
print(json.dumps({**found, "import_s": imported, "rss_mib": rss}))
"""

_FIELDS = (
    ("an agent's decision, p50", "p50_us", "us"),
    ("an agent's decision, p99", "p99_us", "us"),
    ("import", "import_s", "s"),
    ("memory of the process", "rss_mib", "MiB"),
    ("files of all agents", "bytes", "bytes"),
    ("difference to the policy", "difference", ""),
)


def main() -> None:
    """Measure every policy in every precision, in fresh processes, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rounds, decisions = (1, 100) if arguments.quick else (arguments.rounds, arguments.decisions)
    where = machine()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (scenario, config) in POLICIES.items():
            found = measure(Path(folder) / name, scenario, config, rounds, decisions)
            figures |= {f"{name}: {what}": value for what, value in found.items()}
    settings = {"rounds": rounds, "decisions": decisions, "processes": "fresh, one at a time"}
    record("edge", where, figures, settings, arguments.results)


def measure(
    folder: Path, scenario: str, config: PolicyConfig | None, rounds: int, decisions: int
) -> dict[str, Any]:
    """Figures of one policy: of its bundles by precision, and of its SavedModel beside them."""
    from logo_tf.export.bundle import write_bundle

    policy = untrained(scenario, config)
    for precision in PRECISIONS:
        write_bundle(policy, policy.manifest, folder / precision, precision)
    runs: dict[str, list[dict[str, Any]]] = {precision: [] for precision in PRECISIONS}
    team, served = [], []
    for number in range(rounds + 1):  # the first one warms the disk's cache
        for precision in PRECISIONS:
            command = [sys.executable, "-I", "-c", _DEVICE, folder / precision, str(decisions)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            if number:
                runs[precision].append(json.loads(done.stdout))
        if number:
            team.append(team_us(folder / "float32", decisions // 10))
            served.append(served_us(policy, folder / "saved_models", decisions // 10))
    figures: dict[str, Any] = {}
    for precision, found in runs.items():
        figures |= {
            f"{precision}, {what}": figure([run[field] for run in found], unit)
            for what, field, unit in _FIELDS
        }
    figures["float32, a team's decision, p50"] = figure(team, "us")
    figures["SavedModel called in Python, a team's decision, p50"] = figure(served, "us")
    ratios = [slow / fast for slow, fast in zip(served, team, strict=True)]
    figures["SavedModel over bundle, a team's decision"] = figure(ratios, "x")
    return figures


def untrained(scenario: str, config: PolicyConfig | None) -> Any:
    """A policy as training begins; without a config, by MACQL's defaults."""
    import tensorflow as tf

    from logo_tf.agents.offline_agent import AgentSetup
    from logo_tf.agents.policy import TrainedPolicy
    from logo_tf.agents.registry import build_agent, default_config
    from logo_tf.artifacts import Manifest
    from logo_tf.config import to_dict
    from logo_tf.scenarios.registry import scenario_spec

    spec = scenario_spec(scenario)
    config = config or default_config("macql", spec.action_kind)
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    agent = build_agent(AgentSetup(spec, config, 0, step))
    manifest = Manifest(kind="policy", spec=spec.to_dict(), config=to_dict(config))
    return TrainedPolicy(manifest, config, agent)


def team_us(bundle: Path, decisions: int) -> float:
    """Median microseconds of a joint decision by a bundle."""
    from logo_tf.edge import Team

    team = Team.load(bundle)
    observations = np.zeros((len(team.agents), team.agents[0].observation_dim), np.float32)
    return middle_us(lambda: team.act(observations), decisions)


def served_us(policy: Any, repository: Path, decisions: int) -> float:
    """Median microseconds of a joint decision by the SavedModel's signature, batch 1."""
    import tensorflow as tf

    from logo_tf.export.saved_model import write_policy

    path = repository / "policy" / "1"
    if not path.exists():
        write_policy(policy, policy.manifest, "policy", repository)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    given = {name: tf.zeros([1, *spec.shape[1:]], spec.dtype) for name, spec in inputs.items()}
    return middle_us(lambda: serve(**given), decisions)


def middle_us(call: Any, decisions: int) -> float:
    """Median microseconds of a call, after a tenth as many that are not counted."""
    taken = []
    for number in range(-(decisions // 10) - 1, decisions):
        begun = time.perf_counter_ns()
        call()
        if number >= 0:
            taken.append(time.perf_counter_ns() - begun)
    return float(np.median(taken)) / 1000


if __name__ == "__main__":
    main()
