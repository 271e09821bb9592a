"""The house's own rules: imports go one way, and TF-Agents stays in its room."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "logo_tf"
GROUND = {
    "cluster",
    "errors",
    "replicas",
    "specs",
    "shapes",
    "episodes",
    "config",
    "artifacts",
    "disk",
    "metrics",
    "seeds",
    "reproducible",
}
FLOORS = [
    "edge",
    "scenarios",
    "data",
    "world_model",
    "imagination",
    "agents",
    "evaluation",
    "export",
    "serving",
    "experiments",
    "cli",
]
LEGACY = {"tf_agents", "tf_keras"}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(module):
    return -1 if module in GROUND or module not in FLOORS else FLOORS.index(module)


def files():
    return sorted(PACKAGE.rglob("*.py"))


def test_every_folder_has_a_floor():
    folders = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert folders <= set(FLOORS)


def test_imports_go_one_way():
    wrong = []
    for file in files():
        here = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if here in ("__init__", "__main__"):
            continue
        for name in imported(file):
            parts = name.split(".")
            if parts[0] == "logo_tf" and len(parts) > 1 and floor(parts[1]) > floor(here):
                wrong.append(f"{file.relative_to(PACKAGE)} imports {name}")
    assert wrong == []


def test_tf_agents_and_legacy_keras_stay_in_agents():
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in files()
        if file.relative_to(PACKAGE).parts[0] != "agents"
        for name in imported(file)
        if name.split(".")[0] in LEGACY
    ]
    assert wrong == []


def test_what_runs_on_devices_needs_numpy_and_a_tflite_runtime_alone():
    needed = {
        name.split(".")[0]
        for name in imported(PACKAGE / "edge" / "team.py")
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    assert needed == {"numpy", "ai_edge_litert"}


def live_together():
    import keras
    import tensorflow as tf
    import tf_keras
    from tf_agents.networks import network

    assert keras.__version__.startswith("3."), keras.__version__
    assert tf.keras.layers.Dense is tf_keras.layers.Dense
    assert issubclass(network.Network, tf_keras.layers.Layer)


@pytest.mark.parametrize("first", ["keras", "tf_keras", "tensorflow"])
def test_both_kerases_live_together_whoever_comes_first(first):
    """TF-Agents finds tf_keras behind tf.keras, and keras stays Keras 3."""
    code = f"import {first}, logo_tf.agents.learner\n{inspect.getsource(live_together)}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nlive_together()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_both_kerases_live_together_where_logo_tf_comes_first():
    """As in this process."""
    live_together()
