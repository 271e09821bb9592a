"""Signatures of a world model with a memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.export.about import About
from logo_tf.export.golden import golden_inputs
from logo_tf.export.ops import require_allowed_ops
from logo_tf.export.saved_model import write_world_model
from logo_tf.world_model.calibration import Calibration, StepBound
from tests.export.conftest import FakeWorldModel


def test_what_a_step_remembers_goes_into_the_next(specs: dict[str, Any], tmp_path: Path) -> None:
    model = FakeWorldModel(specs["discrete"], memory_dim=3)
    line = StepBound((-0.5, 0.5), (0.1, 0.4), (1.0,), rows=99)
    scale = (1.0,) * model.spec.state_dim
    model.calibration = Calibration(0.9, "step", (0.9,), scale, (line,), 8)
    parent = Manifest(kind="world_model", spec=model.spec.to_dict())
    path = write_world_model(model, parent, "m", tmp_path)
    require_allowed_ops(path)
    served = tf.saved_model.load(str(path)).signatures
    names = ("serving_default", "imagine", "step", "observe")
    assert set(served) == {*names, "about"}
    assert artifacts.verify(path, "export").figures["parity"]["observe/next_memory"] <= 1e-5

    golden = golden_inputs(model.spec, 4, seed=2, memory_dim=3)
    given = {name: tf.constant(getattr(golden, name)) for name in ("observations", "actions",
                                                                   "state")}  # fmt: skip
    here = (golden.state, golden.observations, golden.actions, golden.agent_mask, golden.memory)
    step = served["step"](**given, memory=tf.constant(golden.memory))
    wanted = model.step(*here)
    np.testing.assert_allclose(step["next_state"], wanted.state, atol=1e-6)
    np.testing.assert_allclose(step["next_memory"], wanted.memory, atol=1e-6)
    bound = model.calibration.bound(wanted.uncertainty)
    np.testing.assert_allclose(step["state_error_bound"], bound, rtol=1e-5)
    seen = served["observe"](**given, memory=tf.constant(golden.memory))
    np.testing.assert_allclose(seen["next_memory"], model.observe(*here), atol=1e-6)
    # The bound was measured with a memory that is not empty.
    first = served["serving_default"](**given)
    assert "state_error_bound" not in first
    empty = served["step"](**given, memory=tf.zeros((4, 3, 3)))
    np.testing.assert_allclose(first["next_state"], empty["next_state"], atol=1e-6)

    said = served["about"](format=tf.constant(1))["about"].numpy()
    assert About.from_json(said) == About("world_model", model.spec, 3, 1, names)
