"""One sampler of batches, or one training, as a process that is measured."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from own_worker import Metronome
from processes import Parent

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.learner import train_policy
from logo_tf.config import override
from logo_tf.data import pipeline
from logo_tf.data.store import Dataset, load_dataset
from logo_tf.metrics import MetricLogger
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model

BATCH, WINDOW = 256, 5
_SHUFFLED = 2**16  # records in the buffer of the TFRecord pipeline
_FLOATS = ("observations", "state", "actions", "rewards")


def main() -> None:
    """Answer the parent until it has no more requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("sample", "train", "whole"))
    parser.add_argument("dataset", type=Path)
    parser.add_argument("how", help="auto, memory, disk, numpy or tfrecord")
    parser.add_argument("--stream", choices=("transitions", "windows"), default="transitions")
    parser.add_argument("--training", default="world model")
    parser.add_argument("--portion", type=int, default=1, help="batches or steps of a turn")
    arguments = parser.parse_args()
    parent, how = Parent(), arguments.how
    holding = how if how in ("auto", "memory", "disk") else "disk"
    dataset = load_dataset(arguments.dataset, check="manifest", holding=holding)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.role == "whole":
            steps = arguments.portion
            train(dataset, arguments.training, steps, steps // 2, [], Path(folder) / "run")
            parent.tell()
        elif arguments.role == "train":
            portion = arguments.portion
            logger = Metronome(parent, portion)
            out = Path(folder) / "run"
            train(dataset, arguments.training, 10**6 * portion, portion, [logger], out)
        else:
            length = 1 if arguments.stream == "transitions" else WINDOW
            take = batches(dataset, how, length, Path(folder))

            def work() -> float:
                for _ in range(arguments.portion):
                    take()
                return arguments.portion

            parent.serve(work)
    # What reads ahead is not waited for.
    os._exit(0)


def train(
    dataset: Dataset,
    name: str,
    steps: int,
    every: int,
    loggers: list[MetricLogger],
    out: Path,
) -> None:
    """Train with the package's own trainers and default sizes; world models one step ahead."""
    endless = steps // every * every
    if name == "world model":
        settings = [f"steps={steps}", f"log_every={every}", f"validate_every={endless}", "unroll=1"]
        train_world_model(dataset, override(WorldModelConfig(), settings), 0, out, loggers)
        return
    settings = [f"algorithm={name}", f"steps={steps}", f"log_every={every}"]
    config = override(PolicyConfig(), [*settings, f"checkpoint_every={endless}"])
    train_policy(dataset, config, 0, out, loggers=loggers)


def batches(dataset: Dataset, how: str, length: int, folder: Path) -> Callable[[], Any]:
    """What makes the next batch."""
    if how == "numpy":
        return NumpySampler(dataset, length)
    if how == "tfrecord":
        return iter(record_stream(dataset, length, folder)).__next__
    if length == 1:
        return iter(pipeline.transitions(dataset, None, BATCH, seed=0)).__next__
    return iter(pipeline.windows(dataset, None, length, BATCH, seed=0)).__next__


class NumpySampler:
    """Arrays in memory, and what indexing gives of them: what most implementations do."""

    def __init__(self, dataset: Dataset, length: int) -> None:
        """Args: length: of a window; 1 is a transition."""
        self._fields = {name: np.asarray(dataset.field(name)) for name in (*_FLOATS, "agent_mask")}
        self._rows, self._length = dataset.transition_rows(), length
        self._last = np.repeat(dataset.first_rows + dataset.lengths, dataset.lengths)
        self._rng = np.random.default_rng(0)

    def __call__(self) -> dict[str, np.ndarray]:
        """The next batch."""
        drawn = self._rng.integers(0, len(self._rows), BATCH)
        rows, last = self._rows[drawn], self._last[drawn]
        if self._length > 1:
            rows = rows[:, None] + np.arange(self._length)
            last = last[:, None]
        inside = rows < last
        rows = np.minimum(rows, last - 1)
        found = {name: values[rows] for name, values in self._fields.items()}
        for name in ("observations", "state", "agent_mask"):
            found[f"next_{name}"] = self._fields[name][rows + 1]
        return {**found, "inside": inside}


def record_stream(dataset: Dataset, length: int, folder: Path) -> tf.data.Dataset:
    """A TFRecord file of raw bytes, read in order through a buffer that shuffles.

    Windows are those that lie one after the other in an episode: others would multiply the file.
    """
    file, numbers = str(folder / "data.tfrecord"), 0
    with tf.io.TFRecordWriter(file) as writer:
        for values in _windows(dataset, length):
            writer.write(values.tobytes())
            numbers = values.size
    stream = tf.data.TFRecordDataset(file).repeat().shuffle(_SHUFFLED, seed=0).batch(BATCH)
    width = numbers // (length + 1)

    def parse(raw: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], ...]:
        rows = tf.reshape(tf.io.decode_raw(raw, tf.float32), (BATCH, length + 1, width))
        sizes = [int(np.prod(dataset.field(name).shape[1:])) for name in _FLOATS]
        sizes.append(width - sum(sizes))
        return tuple(tuple(tf.split(part, sizes, -1)) for part in (rows[:, :-1], rows[:, 1:]))

    return stream.map(parse).prefetch(2)


def _windows(dataset: Dataset, length: int) -> Iterator[np.ndarray]:
    """Yield (T + 1, numbers) float32 of each window: its rows and the one after it."""
    for episode in dataset.episodes():
        rows = len(episode.state)
        actions = np.zeros((rows, *episode.actions.shape[1:]), np.float32)
        rewards = np.zeros(rows, np.float32)
        actions[:-1], rewards[:-1] = episode.actions, episode.rewards
        fields = (episode.observations, episode.state, actions, rewards, episode.agent_mask)
        flat = np.concatenate([x.reshape(rows, -1).astype(np.float32) for x in fields], axis=1)
        for begin in range(0, rows - length, length):
            yield flat[begin : begin + length + 1]


if __name__ == "__main__":
    main()
