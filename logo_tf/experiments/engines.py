"""Where an experiment's jobs run: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from logo_tf.config import require
from logo_tf.errors import LogoError

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


class Outcome(NamedTuple):
    """code: the process's exit code, 0 if all is well; last: its last words; seconds: it took."""

    code: int
    last: str
    seconds: float


class Engine(Protocol):
    """Runs jobs, each in a process of its own."""

    @property
    def slots(self) -> int:
        """How many jobs run at a time, 1 at least; more wait."""

    def submit(self, out: Path, job: str) -> Future[Outcome]:
        """Run a job as soon as there is room for it.

        Args:
          out: the experiment's folder, absolute.
          job: its name.
        """

    def close(self) -> None:
        """End what still runs; it resumes when it is run again."""


class LocalEngine:
    """Some processes on this machine, which end when this one does."""

    def __init__(self, workers: int, threads: int) -> None:
        """Start nothing yet.

        Args:
          workers: jobs at a time.
          threads: of each.

        Raises:
          LogoError: not at least one of each.
        """
        require(workers >= 1, f"--workers must be at least 1, got {workers}")
        require(threads >= 1, f"--threads must be at least 1, got {threads}")
        self._workers, self._threads = workers, threads
        self._pool = ThreadPoolExecutor(workers)
        self._closed = threading.Event()

    @property
    def slots(self) -> int:
        """As many as it has workers."""
        return self._workers

    def submit(self, out: Path, job: str) -> Future[Outcome]:
        """Run it when one of the workers is free."""
        return self._pool.submit(run_job, str(out), job, self._threads, self._closed)

    def close(self) -> None:
        """End the processes and wait for them."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class RayEngine:
    """A Ray cluster, whose machines share the experiment's folder; jobs of lost machines resume."""

    def __init__(self, workers: int | None, threads: int, address: str | None) -> None:
        """Connect.

        Args:
          workers: without an address, jobs at a time on this machine.
          threads: that a job uses and is counted as.
          address: of the cluster, as ``ray.init`` takes it; None starts one here.

        Raises:
          LogoError: Ray is not installed, or no cluster answers.
        """
        # Asked for before Ray is imported; it sends figures of use otherwise.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Jobs as important as those of the local engine; Ray's own default is 15.
        os.environ.setdefault("RAY_worker_niceness", "0")
        try:
            import ray
        except ImportError:
            raise LogoError(
                "--engine ray needs Ray: pip install 'logo_tf[ray]', or make install"
            ) from None
        settings: dict[str, Any] = {"address": address}
        if address is None:
            settings = {"num_cpus": (workers or 1) * threads, "include_dashboard": False}
        try:
            ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise LogoError(f"--engine ray: no cluster at {address}: {reason}") from None
        self._ray, self._threads = ray, threads
        self._run = ray.remote(num_cpus=threads)(run_job)

    @property
    def slots(self) -> int:
        """As many as the cluster's cores allow now; machines may join and leave."""
        return max(int(self._ray.cluster_resources().get("CPU", 0)) // self._threads, 1)

    def submit(self, out: Path, job: str) -> Future[Outcome]:
        """Run it when the cluster has so many free cores."""
        future: Future[Outcome] = self._run.remote(str(out), job, self._threads).future()
        return future

    def close(self) -> None:
        """Leave the cluster, which ends this experiment's jobs."""
        self._ray.shutdown()


def run_job(out: str, job: str, threads: int, closed: threading.Event | None = None) -> Outcome:
    """Run a job in a process of its own and wait for it.

    Its output goes to ``OUT/logs``. It holds its standard input open, and ends when that
    closes: so it never outlives the process that waits for it, even one that was killed.

    Args:
      out: the experiment's folder.
      job: its name.
      threads: it may use.
      closed: when this is set, the job is ended.
    """
    begun = time.monotonic()
    log = Path(out) / "logs" / (job.replace("/", "--") + ".log")
    if not log.parent.parent.is_dir():
        return Outcome(2, f"{out}: not on this machine; an experiment's folder must be shared", 0.0)
    log.parent.mkdir(exist_ok=True)
    environment = {**dict.fromkeys(_THREADS, str(threads)), **os.environ}
    command = [sys.executable, "-m", "logo_tf.experiments.worker", out, job]
    with (
        open(log, "wb") as stream,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=stream, stderr=stream, env=environment
        ) as process,
    ):
        while process.poll() is None:
            if closed is not None and closed.is_set() and process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return Outcome(process.returncode, last.rpartition("\r")[2], time.monotonic() - begun)
