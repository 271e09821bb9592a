"""Processes that are measured in turn: a parent asks, a worker answers, a JSON line each.

Every model that is compared is a process of its own, so that its peak memory is its own and
so that a peer may live in another virtual environment. A worker waits, without work, until
it is asked. Nothing but the standard library is imported here: both environments use it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# One count of threads for every library that a worker computes with. TensorFlow runs as many
# operations at a time, and this package gives each of them one thread.
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class Worker:
    """A worker, from its parent's side. It ends with the ``with`` block."""

    def __init__(
        self, python: Sequence[str], script: str, arguments: Sequence[str], threads: int
    ) -> None:
        """Start it; ``answer`` waits until it is ready.

        Args:
          python: the interpreter of its environment, and options of it.
          script: the name of a file beside this one.
          arguments: of the script.
          threads: that its libraries may use.
        """
        quiet = {
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONWARNINGS": "ignore",
        }
        self._name = " ".join([script, *arguments])
        self._scratch = tempfile.TemporaryDirectory()
        # Both frameworks greet at length; it matters only when a worker fails.
        self._said = Path(self._scratch.name) / "said.txt"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*python, str(Path(__file__).parent / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={
                    **os.environ,
                    **quiet,
                    **dict.fromkeys(_THREADS, str(threads)),
                    "TMPDIR": self._scratch.name,
                },
            )

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it at once, whatever it does, and remove what it left."""
        self._process.kill()
        self._process.wait()
        self._scratch.cleanup()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        if self._process.stdin:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer; the first one says that the worker is ready."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            said = self._said.read_text(encoding="utf-8", errors="replace")
            raise SystemExit(f"{said[-4000:]}\n{self._name}: ended early, see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Parent:
    """The parent, from its worker's side. Whatever else is printed goes to standard error."""

    def __init__(self) -> None:
        """Keep standard output for answers."""
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def tell(self, **answer: Any) -> None:
        """Send an answer; the peak memory so far goes with it."""
        self._answers.write(json.dumps({**answer, "peak_mib": _peak_memory()}) + "\n")
        self._answers.flush()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield requests until the parent has no more."""
        for line in sys.stdin:
            yield json.loads(line)

    def serve(self, work: Callable[[], float], **ready: Any) -> None:
        """Do the work once to warm up, and once more for every request.

        Args:
          work: does a fixed portion and returns how much that was.
          **ready: told when the worker is ready.
        """
        work()
        self.tell(**ready)
        for _ in self.requests():
            begun = time.perf_counter()
            amount = work()
            self.tell(rate=amount / (time.perf_counter() - begun))


def alternate(workers: Mapping[str, Worker], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Ask every worker in turn, again and again, so that a slow moment slows all alike.

    Args:
      workers: that were just started.
      rounds: how often each is asked.

    Returns:
      The answers of each worker; its first one, which says that it is ready, is left out.
    """
    for worker in workers.values():
        worker.answer()
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            answers[name].append(worker.ask())
    return answers


def _peak_memory() -> float:
    """This process's largest resident set, in MiB.

    Not ``getrusage``: after a fork that one begins at the parent's size.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM")
