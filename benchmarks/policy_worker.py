"""One training of a policy, or its evaluation, as a process that is measured."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import tensorflow as tf
from processes import Parent
from tf_agents.train.learner import Learner

from logo_tf.agents import learner as learning
from logo_tf.agents.imagining import Imagining
from logo_tf.agents.policy import load_policy
from logo_tf.agents.registry import default_config
from logo_tf.config import override
from logo_tf.data.store import load_dataset
from logo_tf.evaluation.returns import evaluate_policy


def main() -> None:
    """Answer the parent until it has no more requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("learn", "evaluate"))
    parser.add_argument("path", type=Path, help="the dataset to learn from, or the policy")
    parser.add_argument("--model", type=Path, help="imagine with this one")
    parser.add_argument("--batches", choices=("fresh", "one"), default="fresh")
    parser.add_argument("--steps", type=int, default=1, help="of a portion of training")
    parser.add_argument("--episodes", type=int, default=1, help="of a portion of evaluation")
    parser.add_argument("--settings", nargs="*", default=[], help="over the defaults")
    arguments = parser.parse_args()
    parent = Parent()
    if arguments.role == "evaluate":
        evaluate(parent, arguments.path, arguments.episodes)
    else:
        learn(parent, arguments)


class Stopwatch:
    """How long methods ran that are watched."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self.seconds = 0.0

    @contextlib.contextmanager
    def watching(self, owner: type, name: str) -> Iterator[None]:
        """Add up the time of a method, of all instances of a class, inside of the block."""
        method = getattr(owner, name)

        def watched(instance: Any, *arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return method.__get__(instance, owner)(*arguments)
            finally:
                self.seconds += time.perf_counter() - begun

        with mock.patch.object(owner, name, watched):
            yield

    def take(self) -> float:
        """Seconds since the last call."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


class Portions:
    """A ``MetricLogger`` that lets the trainer go on only when the parent asks for it."""

    def __init__(self, parent: Parent, steps: int, graph: Stopwatch, imagining: Stopwatch) -> None:
        """Args: steps: of a portion; graph, imagining: what they watch is told apart."""
        self._parent, self._requests, self._steps = parent, parent.requests(), steps
        self._graph, self._imagining = graph, imagining
        self._begun: float | None = None

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell the seconds of the portion that ends here; the first one held tracing."""
        graph, imagining = self._graph.take(), self._imagining.take()
        if self._begun is None:
            self._parent.tell()
        else:
            seconds = time.perf_counter() - self._begun
            self._parent.tell(
                rate=self._steps / seconds, seconds=seconds, graph=graph, imagining=imagining
            )
        if next(self._requests, None) is None:
            raise SystemExit
        self._begun = time.perf_counter()

    def close(self) -> None:
        """Nothing is held."""


def learn(parent: Parent, arguments: argparse.Namespace) -> None:
    """Train with the package's own trainer, a portion a request."""
    dataset, steps = load_dataset(arguments.path, check="manifest"), arguments.steps
    endless = 1_000_000 * steps
    config = override(
        default_config("macql", dataset.spec.action_kind),
        [
            *arguments.settings,
            f"steps={endless}",
            f"log_every={steps}",
            f"checkpoint_every={endless}",
        ],
    )
    graph, imagining = Stopwatch(), Stopwatch()
    with (
        tempfile.TemporaryDirectory() as folder,
        graph.watching(Learner, "_train"),
        imagining.watching(Imagining, "refresh"),
        one_batch() if arguments.batches == "one" else contextlib.nullcontext(),
    ):
        logger = Portions(parent, steps, graph, imagining)
        out = Path(folder) / "policy"
        learning.train_policy(dataset, config, 0, out, arguments.model, loggers=[logger])


def one_batch() -> Any:
    """Patch the learner's stream so that it hands out its first batch again and again."""
    stream = learning.experience_stream

    def repeated(*arguments: Any) -> tf.data.Dataset:
        return stream(*arguments).take(1).cache().repeat()

    return mock.patch.object(learning, "experience_stream", repeated)


def evaluate(parent: Parent, path: Path, episodes: int) -> None:
    """Play whole episodes of the policy's own scenario."""
    policy = load_policy(path)

    def work() -> float:
        found = evaluate_policy(policy.spec.name, policy, episodes, seed=0, label=None)
        return len(found.returns)

    parent.serve(work)


if __name__ == "__main__":
    main()
