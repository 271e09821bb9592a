"""Batches from disk are those from memory, to the bit, however the rows lie in shards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data import pipeline, tables
from logo_tf.data.rows import Rows
from logo_tf.data.store import Dataset, load_dataset, write_dataset
from logo_tf.data.tables import plain_failures, table_of
from logo_tf.errors import LogoError

KINDS = ("continuous", "discrete")
STREAMS: dict[str, Callable[..., tf.data.Dataset]] = {
    "transitions": lambda data, **named: pipeline.transitions(data, None, 7, seed=3, **named),
    "windows": lambda data, **named: pipeline.windows(data, None, 4, 5, seed=3, context=3, **named),
    "sequential": lambda data, **named: pipeline.sequential(data, np.array([3, 1, 4]), 10),
}


def take(stream: tf.data.Dataset, count: int) -> list[Any]:
    return list(islice(stream.as_numpy_iterator(), count))


def assert_equal(ours: list[Any], theirs: list[Any]) -> None:
    tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


@pytest.fixture
def laid_out(
    tmp_path: Path, tiny_dataset: Callable[..., Dataset]
) -> Callable[[str], tuple[Dataset, Dataset, Dataset]]:
    """The same episodes held in memory, on disk as columns, and on disk as records in shards."""

    def build(kind: str) -> tuple[Dataset, Dataset, Dataset]:
        one = tiny_dataset(kind)
        many = write_dataset(
            tmp_path / f"{kind}-many", one.spec, one.episodes(), {}, {}, shard_bytes=3000
        )
        assert len(list(many.path.glob("shard-*"))) > 3
        columns, records = (load_dataset(dataset.path, holding="disk") for dataset in (one, many))
        return one, columns, records

    return build


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STREAMS)
def test_disk_gives_the_batches_of_memory(laid_out, kind: str, name: str) -> None:
    memory, *disks = laid_out(kind)
    expected = take(STREAMS[name](memory), 40)
    spec = STREAMS[name](memory).element_spec
    for disk in disks:
        stream = STREAMS[name](disk)
        assert stream.element_spec == spec
        assert_equal(take(stream, 40), expected)
    if name != "sequential":
        assert_equal(take(STREAMS[name](disks[1], start=33), 7), expected[33:])


def test_a_thousand_batches_are_the_same_for_a_seed(laid_out) -> None:
    _, _, records = laid_out("continuous")
    again = load_dataset(records.path, holding="disk")
    ours, theirs = (
        take(pipeline.transitions(data, None, 4, seed=1).batch(1000), 1)
        for data in (records, again)
    )
    assert_equal(ours, theirs)


def test_disk_draws_every_transition_alike(laid_out) -> None:
    """Chi-square of 160 transitions with equal chance: mean 159, standard deviation 17.8."""
    _, _, records = laid_out("continuous")
    batches = take(pipeline.transitions(records, None, 400, seed=0), 40)
    states = np.concatenate([batch.state for batch in batches])
    _, counts = np.unique(states, axis=0, return_counts=True)
    assert len(counts) == records.num_transitions == 160
    expected = 16000 / 160
    assert np.sum(np.square(counts - expected)) / expected < 159 + 4 * 17.8


def test_workers_read_disjoint_rows_that_make_up_the_batch(laid_out, monkeypatch) -> None:
    _, _, records = laid_out("discrete")
    monkeypatch.setattr(tables, "_READERS", 1)
    monkeypatch.setattr(tables, "_BATCHES_PER_READ", 1)
    asked: list[list[int]] = []
    read = Rows.read

    def watched(self: Rows, rows: np.ndarray, names: Any) -> dict[str, np.ndarray]:
        asked.append(rows.tolist())
        return read(self, rows, names)

    monkeypatch.setattr(Rows, "read", watched)

    def first_batch(only: np.ndarray | None) -> tuple[Any, list[int]]:
        asked.clear()
        (batch,) = take(pipeline.transitions(records, None, 6, seed=5, only=only), 1)
        return batch, asked[0]

    whole, everywhere = first_batch(None)
    read_rows: list[int] = []
    for only in (np.array([0, 2, 4]), np.array([1, 3, 5])):
        batch, rows = first_batch(only)
        for field, mine in zip(whole, batch, strict=True):
            np.testing.assert_array_equal(field[only], mine)
        read_rows += rows
    # Each row and the one after it, and no row twice.
    assert len(everywhere) == len({*everywhere}) == 12
    assert sorted(read_rows) == sorted(everywhere)


def test_what_is_held_in_memory_is_held_once(laid_out) -> None:
    memory, disk, _ = laid_out("continuous")
    assert memory.in_memory
    assert not disk.in_memory
    assert table_of(memory) is table_of(memory)


def test_a_file_that_is_cut_short_is_one_line(laid_out) -> None:
    for dataset in laid_out("continuous")[1:]:
        (file,) = dataset.path.glob("shard-00000/[rs][ot][wa]*.npy")
        batches = iter(pipeline.transitions(dataset, None, 64, seed=0))
        next(batches)
        with open(file, "r+b") as stream:
            stream.truncate(file.stat().st_size // 2)
        with pytest.raises(LogoError) as caught, plain_failures(dataset):
            for _ in range(99):
                next(batches)
        message = str(caught.value)
        assert message.startswith(f"{file}: ends ")
        assert "begins at row" in message
        assert "\n" not in message


def test_errors_of_others_stay_what_they_are(laid_out) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), plain_failures(laid_out("discrete")[1]):
        tf.debugging.assert_equal(1, 2)


@pytest.mark.long
def test_the_process_ends_while_a_stream_reads_ahead(laid_out) -> None:
    _, _, records = laid_out("continuous")
    program = (
        "import sys\n"
        "from logo_tf.data import pipeline\n"
        "from logo_tf.data.store import load_dataset\n"
        "data = load_dataset(sys.argv[1], holding='disk')\n"
        "batches = iter(pipeline.transitions(data, None, 256, seed=0))\n"
        "next(batches)\n"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program, records.path], check=True, timeout=240)
