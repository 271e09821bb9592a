"""An export that is killed, at five points: what is listed afterwards is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logo_tf import artifacts
from logo_tf.export.publishing import versions

_EXPORT = """
import os, signal, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from logo_tf import disk
from logo_tf.artifacts import Manifest
from logo_tf.export import saved_model
from logo_tf.specs import ScenarioSpec

bounds = ((-1.0, -1.0),), ((1.0, 1.0),)
spec = ScenarioSpec("toy", "toy", ("a",), (2,), 1, "continuous", (2,), 5, *bounds)
parent = Manifest(kind="policy", spec=spec.to_dict())

class Policy:
    spec = spec
    def __init__(self):
        self.gain = tf.Variable(1.0)
    memory_dim = 0
    def agent_function(self, agent):
        return lambda observation, memory: (observation * self.gain, memory)
    def act_on(self, observations, legal_actions, memory, rng):
        return observations, memory

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def half(module, directory, **_):
    (Path(directory) / "saved_model.pb").write_bytes(b"half")
    die()

points = {
    "saving": (tf.saved_model, "save", half),
    "verifying": (saved_model, "_verify", die),
    "hashing": (disk, "sha256", die),
    "manifest": (disk, "write_text", die),
    "renaming": (os, "rename", die),
    "none": (os, "nothing", None),
}
for point in sys.argv[2:]:
    # Forked before TensorFlow's runtime has begun, so each child starts its own.
    child = os.fork()
    if child == 0:
        setattr(*points[point])
        saved_model.write_policy(Policy(), parent, "p", Path(sys.argv[1]))
        os._exit(0)
    print(point, os.waitpid(child, 0)[1], sorted(os.listdir(Path(sys.argv[1]) / "p")), flush=True)
"""


@pytest.mark.slow
def test_a_killed_export_is_never_listed_and_does_not_stand_in_the_way(tmp_path: Path) -> None:
    points = ["none", "saving", "verifying", "hashing", "manifest", "renaming", "none"]
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(tmp_path), *points],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(points), done.stderr[-3000:]
    for point, line in zip(points[1:-1], lines[1:-1], strict=True):
        assert line.startswith(f"{point} 9 ['1', '2.lock', '2.partial', 'export.lock']"), line
    assert lines[-1] == "none 0 ['1', '2']", done.stderr[-3000:]
    assert versions(tmp_path / "p") == [1, 2]
    for version in ("1", "2"):
        artifacts.verify(tmp_path / "p" / version, "export")
