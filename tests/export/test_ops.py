"""The scan of a SavedModel's ops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.export.ops import COMPUTING, require_allowed_ops
from logo_tf.export.saved_model import write_policy, write_world_model

BEHAVIOURS = Path(__file__).parents[2] / "saved_models"


def save(folder: Path, function: Any, **objects: Any) -> Path:
    """A SavedModel whose signature is a function of x (2,) float32."""
    module = tf.Module()
    for name, value in objects.items():
        setattr(module, name, value)
    module.serve = tf.function(function, input_signature=[tf.TensorSpec((2,), tf.float32, "x")])
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def test_what_this_package_exports_and_ships_is_allowed(
    world_models: dict[str, Any], policies: dict[str, Any], tmp_path: Path
) -> None:
    for kind in ("continuous", "discrete"):
        policy, model = policies[kind], world_models[kind]
        require_allowed_ops(write_policy(policy, policy.manifest, f"p_{kind}", tmp_path))
        require_allowed_ops(write_world_model(model, policy.manifest, f"m_{kind}", tmp_path))
    shipped = sorted(BEHAVIOURS.glob("*-behaviour/*/"))
    assert len(shipped) >= 20
    for version in shipped:
        require_allowed_ops(version)


def writes(x: tf.Tensor) -> dict[str, tf.Tensor]:
    tf.io.write_file("x", tf.strings.as_string(x[0]))
    return {"y": x}


def prints(x: tf.Tensor) -> dict[str, tf.Tensor]:
    tf.print(x, output_stream="file://x")
    return {"y": x}


def in_a_branch(x: tf.Tensor) -> dict[str, tf.Tensor]:
    read = tf.cond(
        x[0] > 0, lambda: tf.strings.length(tf.io.read_file("x")), lambda: tf.constant(0)
    )
    return {"y": read}


@pytest.mark.parametrize(
    ("function", "ops"),
    [
        (writes, "AsString, WriteFile"),
        (prints, "PrintV2, StringFormat"),
        (in_a_branch, "ReadFile, StringLength"),
        (
            lambda x: {"y": tf.numpy_function(lambda v: v, [x], tf.float32)},
            "PyFunc",
        ),
        (lambda x: {"y": x + tf.random.uniform((2,))}, "RandomUniform"),
        (lambda x: {"y": tf.raw_ops.RestoreV2(
            prefix="x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]},
         "RestoreV2"),
    ],
)  # fmt: skip
def test_ops_that_do_more_than_compute_are_named(function: Any, ops: str, tmp_path: Path) -> None:
    path = save(tmp_path / "m", function)
    with pytest.raises(LogoError, match=rf"saved_model\.pb: holds ops .* may not have: {ops}$"):
        require_allowed_ops(path)


def test_what_no_signature_reaches_is_scanned_too(tmp_path: Path) -> None:
    hidden = tf.function(lambda: tf.io.read_file("x"), input_signature=[])
    path = save(tmp_path / "m", lambda x: {"y": 2 * x}, hidden=hidden)
    with pytest.raises(LogoError, match="may not have: ReadFile"):
        require_allowed_ops(path)


def test_a_table_that_is_filled_from_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\nb\n")
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(tmp_path / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        -1,
    )  # fmt: skip
    path = save(tmp_path / "m", lambda x: {"y": x}, table=table)
    with pytest.raises(LogoError, match="InitializeTableFromTextFile"):
        require_allowed_ops(path)


def test_saving_is_allowed_only_to_what_saves(tmp_path: Path) -> None:
    path = save(tmp_path / "m", lambda x: {"y": x}, weight=tf.Variable(1.0))
    require_allowed_ops(path)
    file = path / "saved_model.pb"
    # The op that restores the weights on loading now is the one that writes them.
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(file.read_bytes())
    saver = saved.meta_graphs[0].saver_def
    saver.restore_op_name = saver.save_tensor_name.partition(":")[0]
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(LogoError, match="AssignVariableOp, MergeV2Checkpoints, RestoreV2, SaveV2"):
        require_allowed_ops(path)


def test_what_is_no_whole_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogoError, match=r"saved_model\.pb: cannot be read: No such file"):
        require_allowed_ops(tmp_path)
    path = save(tmp_path / "m", lambda x: {"y": x})
    file = path / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(LogoError, match="is not a SavedModel, or only a part of one"):
        require_allowed_ops(path)
    file.write_bytes(b"")
    with pytest.raises(LogoError, match="holds no graph"):
        require_allowed_ops(path)


def test_every_op_of_the_list_exists_and_none_of_them_reaches_out() -> None:
    from tensorflow.python.framework import op_def_registry

    known = {op for op in COMPUTING if op_def_registry.get(op) is not None}
    assert COMPUTING - known <= {"_EagerConst"}
    assert not any("File" in op or "Py" in op or "Print" in op for op in COMPUTING)
