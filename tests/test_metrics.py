import json

import pytest
import tensorflow as tf

from logo_tf import metrics
from logo_tf.errors import LogoError


def test_jsonl_appends_over_resumes(tmp_path):
    for step in (1, 2):
        logger = metrics.JsonlLogger(tmp_path / "m.jsonl")
        logger.write(step, {"loss": step / 2})
        logger.close()
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1.0}]


def test_tensorboard_writes_scalars(tmp_path):
    logger = metrics.TensorBoardLogger(tmp_path)
    logger.write(7, {"loss": 0.25})
    logger.close()
    (file,) = tmp_path.iterdir()
    values = [
        (event.step, value.tag, float(tf.make_ndarray(value.tensor)))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert values == [(7, "loss", 0.25)]


def test_console_moves_to_the_step(capsys):
    logger = metrics.Loggers([metrics.ConsoleLogger("training", total=10, start=4)])
    logger.write(10, {"loss": 0.5})
    logger.close()
    shown = capsys.readouterr()
    assert "10/10" in shown.err
    assert shown.out == ""


def test_broken_numbers_stop_training():
    metrics.require_finite(3, {"loss": 1.0}, "world model")
    with pytest.raises(LogoError, match="world model: loss became nan at step 3"):
        metrics.require_finite(3, {"fine": 1.0, "loss": float("nan")}, "world model")


def test_lines_after_the_checkpoint_are_forgotten(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    metrics.forget_after(file, 4)
    assert file.read_text() == '{"step": 2}\n{"step": 4}\n'
    metrics.forget_after(tmp_path / "none", 4)
    assert not (tmp_path / "none").exists()
