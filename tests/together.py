"""What processes that train together run in the tests: some trainings, one after the other."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

WINDOWS = {"memory": 4, "window": 2, "burn_in": 1, "mixer_width": 3, "hyper_width": 5}
POLICY = {
    "width": 8,
    "steps": 6,
    "batch_size": 8,
    "log_every": 1,
    "checkpoint_every": 2,
    "cql_states": 5,
    "cql_actions": 2,
}
MODEL = [
    "width=8",
    "steps=6",
    "batch_size=32",
    "log_every=1",
    "validate_every=3",
    "validation_windows=8",
    "validation_horizon=2",
    "unroll=2",
]


def main(strategy: str, out: str, trainings: list[list]) -> None:
    """Train on a strategy: ``[name, dataset, "model" or an algorithm, settings, world model]``."""
    import tensorflow as tf

    import logo_tf  # noqa: F401 (first, so that TF-Agents finds tf_keras)
    from logo_tf.replicas import make_replicas

    if strategy == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    replicas = make_replicas(strategy)
    for training in trainings:
        train(Path(out), replicas, *training)


def train(out, replicas, name, data, what, settings, world_model=None):
    """One training, of a world model or a policy."""
    from logo_tf.config import override
    from logo_tf.data.store import load_dataset

    dataset = load_dataset(data)
    if what == "model":
        from logo_tf.world_model.config import WorldModelConfig
        from logo_tf.world_model.trainer import train_world_model

        config = override(WorldModelConfig(), [*MODEL, *settings])
        train_world_model(dataset, config, 5, out / name, [], strategy=replicas)
        return
    from logo_tf.agents.config import PolicyConfig
    from logo_tf.agents.learner import train_policy
    from logo_tf.imagination.config import ImaginationConfig

    imagination = ImaginationConfig(horizon=2, branches=8, refresh_every=2, rounds=2)
    windows = WINDOWS if dataset.spec.discrete and what != "bc" else {}
    config = PolicyConfig(algorithm=what, imagination=imagination, **{**POLICY, **windows})
    config = override(config, settings)
    model = None if world_model is None else out / world_model
    train_policy(dataset, config, 5, out / name, model, loggers=[], strategy=replicas)


def run(strategy: str, out: Path, trainings: list) -> None:
    """Call ``main`` in a process of its own."""
    finish(start([strategy, str(out), json.dumps(trainings)]))


def run_workers(out: Path, trainings: list) -> None:
    """Call ``main`` in two workers on this machine."""
    words = ["multiworker", str(out), json.dumps(trainings)]
    both = [start(words, environment) for environment in workers()]
    for process in both:
        finish(process)


def workers() -> list[dict[str, str]]:
    """What each of two workers has to be told."""
    with socket.create_server(("localhost", 0)) as one, socket.create_server(("localhost", 0)) as x:
        addresses = [f"localhost:{found.getsockname()[1]}" for found in (one, x)]
    cluster = {"worker": addresses}
    tasks = ({"type": "worker", "index": i} for i in range(2))
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def start(words: list[str], more: dict[str, str] | None = None) -> subprocess.Popen:
    """Start this file."""
    return spawn([__file__, *words], more)


def spawn(words: list[str], more: dict[str, str] | None = None) -> subprocess.Popen:
    """Start Python, on one thread and without the log of TensorFlow."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": root, **quiet, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> None:
    """Wait for a process that has to end well."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said[-3000:]


def metrics(folder: Path) -> list[dict[str, float]]:
    """What was logged, but for the rate."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "steps_per_second"} for x in lines]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
