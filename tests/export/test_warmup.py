"""Warm-up records: round trip, and files that are not such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.export.warmup import FILE, LIMIT, Exchange, read_warmup, write_warmup

EXCHANGE = Exchange(
    "serving_default",
    {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "k": np.int32(4)},
    {"y": np.array([1, 2], np.int32)},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_warmup(tmp_path, "model", [EXCHANGE, EXCHANGE])
    found = list(read_warmup(tmp_path))
    assert len(found) == 2
    for one in found:
        assert one.signature == "serving_default"
        for wanted, actual in ((EXCHANGE.inputs, one.inputs), (EXCHANGE.outputs, one.outputs)):
            assert set(actual) == set(wanted)
            for name, value in wanted.items():
                np.testing.assert_array_equal(actual[name], value)
                assert actual[name].dtype == np.asarray(value).dtype


def test_where_there_is_none_nothing_is_read(tmp_path: Path) -> None:
    assert list(read_warmup(tmp_path)) == []


def test_equal_exchanges_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_warmup(tmp_path / name, "model", [EXCHANGE])
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_warmup(tmp_path, "model", [EXCHANGE])
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(LogoError, match="tf_serving_warmup_requests: is damaged"):
        list(read_warmup(tmp_path))
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xff\xff")
    with pytest.raises(LogoError, match="tf_serving_warmup_requests: is damaged"):
        list(read_warmup(tmp_path))
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"")
    with pytest.raises(LogoError, match="record 0 is not a request to predict"):
        list(read_warmup(tmp_path))


def test_more_than_servers_take_are_refused(tmp_path: Path) -> None:
    write_warmup(tmp_path, "model", [EXCHANGE] * (LIMIT + 1))
    with pytest.raises(LogoError, match="holds more than 1000 requests"):
        list(read_warmup(tmp_path))
