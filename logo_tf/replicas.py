"""Devices that train one model together, on one machine or several, through ``tf.distribute``.

They train on the batches that one device would have had, and end with its losses but for
rounding. Of B rows in a batch and R replicas, replica r has the rows r, r + R, r + 2R, ...;
every mean is over the whole batch, and so is every random draw, of which a replica keeps
what falls on its rows. Gradients are those of a replica's own rows, and their sum moves the
weights. Functions of this file that act inside a replica's step know it by themselves, and do
nothing where there is but one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.cluster import STRATEGIES, Cluster, read_cluster
from logo_tf.config import require
from logo_tf.errors import LogoError, nearest

# What TensorFlow raises from a sum that a worker does not take part in any more.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class Replicas:
    """Who trains: all devices of a strategy, or the one device of a process by itself.

    A worker is a process. The first is the chief: it alone writes checkpoints, logs and the
    artefact, into a folder that all workers see.
    """

    def __init__(
        self, strategy: tf.distribute.Strategy | None = None, cluster: Cluster | None = None
    ) -> None:
        """Take the strategy.

        Args:
          strategy: over the devices, or None for a process that trains alone.
          cluster: the workers, where there are several.
        """
        self._strategy = strategy
        self._cluster = cluster
        self._exchange = tf.function(self._exchanged, autograph=False)

    @property
    def count(self) -> int:
        """R, how many devices train."""
        return self._strategy.num_replicas_in_sync if self._strategy else 1

    @property
    def worker(self) -> int:
        """Which of the workers this process is."""
        return self._cluster.worker if self._cluster else 0

    @property
    def workers(self) -> int:
        """W, how many there are."""
        return self._cluster.workers if self._cluster else 1

    @property
    def chief(self) -> bool:
        """Whether this worker writes."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Where variables are made that every replica holds."""
        return self._strategy.scope() if self._strategy else contextlib.nullcontext()

    def require_shares(self, rows: int, what: str) -> None:
        """Check that a batch can be dealt out.

        Args:
          rows: of the whole batch.
          what: they are called.

        Raises:
          LogoError: the replicas' shares would be unequal.
        """
        require(
            rows % self.count == 0,
            f"a batch of {rows} {what} cannot be shared equally by {self.count} replicas: "
            f"choose a batch_size that makes it a multiple of {self.count}",
        )

    def rows(self, count: int, first: int = 0) -> np.ndarray | None:
        """Which rows of a batch this worker reads; no two workers read the same.

        Args:
          count: how many there are, or of a part of the batch.
          first: the number in the batch of the part's first row.

        Returns:
          Their indices in the part, ascending; None: all of them.
        """
        if self.workers == 1:
            return None
        of_replicas = (np.arange(count) + first) % self.count
        return np.flatnonzero(of_replicas // (self.count // self.workers) == self.worker)

    def run(self, step: Callable[[Any], Any], batch: Any) -> Any:
        """Take one step on every replica, inside a graph.

        Args:
          step: called with a replica's rows of the batch (b, ...); what it returns must be
            the same on all.
          batch: a nest of this worker's rows, (b * replicas of the worker, ...).

        Returns:
          What ``step`` returned.
        """
        if self._strategy is None:
            return step(batch)
        strategy, local = self._strategy, self.count // self.workers

        def each(batch: Any) -> Any:
            context = tf.distribute.get_replica_context()
            number = tf.cast(context.replica_id_in_sync_group, tf.int32) % local

            def own(rows: tf.Tensor) -> tf.Tensor:
                return tf.gather(rows, tf.range(rows.shape[0] // local) * local + number)

            return step(batch if local == 1 else tf.nest.map_structure(own, batch))

        results = strategy.run(each, args=(batch,))
        return tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], results)

    def of_chief(self, values: np.ndarray) -> np.ndarray:
        """What the chief says, of what each worker says; all must ask."""
        return self._of_all(values)[0]

    @contextlib.contextmanager
    def writing(self, path: str | Path, resume: Mapping[str, Any]) -> Iterator[Path]:
        """Open the folder aside in which the chief makes an artefact; all workers leave at once.

        Args:
          path: where the artefact will stand.
          resume: what makes interrupted work reusable; see ``artifacts.writing``.

        Yields:
          The folder aside; only the chief may write there.

        Raises:
          LogoError: as ``artifacts.writing`` raises, the workers were told different things,
            they do not see the chief's folder, or one of them is gone.
        """
        if self.workers == 1:
            with artifacts.writing(path, resume) as aside:
                yield aside
            return
        path = Path(path)
        artifacts.require_new(path)
        with self._together():
            if self.chief:
                with artifacts.writing(path, resume) as aside:
                    self._agree(resume)
                    yield aside
            else:
                self._agree(resume)
                aside = disk.partial(path)
                require(
                    artifacts.may_resume(aside, resume),
                    f"worker {self.worker}: does not see what the chief began in {aside}; all "
                    "workers need one --out on a disk that they share",
                )
                yield aside
            self._leave(path)

    def _leave(self, path: Path) -> None:
        """Wait until the chief has published."""
        try:
            self._of_all(np.zeros(1, np.int32))
        except LogoError:
            # The chief may end before another worker has heard the last sum.
            if not path.exists():
                raise

    def _agree(self, resume: Mapping[str, Any]) -> None:
        """Wait for all workers, and compare what they were told."""
        digest = hashlib.sha256(json.dumps(resume, sort_keys=True).encode()).digest()
        told = self._of_all(np.frombuffer(digest, np.uint8).astype(np.int32))
        for other in np.flatnonzero((told != told[0]).any(axis=1)):
            raise LogoError(
                f"worker {other} was started with other settings or data than worker 0; "
                "start all workers with the same command"
            )

    def _of_all(self, values: np.ndarray) -> np.ndarray:
        """(W, ...) what each worker says."""
        if self.workers == 1:
            return np.asarray(values)[None]
        with self._together():
            return self._exchange(tf.constant(values)).numpy()[:: self.count // self.workers]

    def _exchanged(self, values: tf.Tensor) -> tf.Tensor:
        def each(values: tf.Tensor) -> tf.Tensor:
            return of_all_rows(values[None])

        assert self._strategy is not None
        results = self._strategy.run(each, args=(values,))
        return self._strategy.experimental_local_results(results)[0]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Say in one line that another worker is gone."""
        try:
            yield
        except _LOST as error:
            gone = self._cluster.gone() if self._cluster else []
            if not gone and not isinstance(
                error, (tf.errors.UnavailableError, tf.errors.AbortedError)
            ):
                raise
            who = f"worker {', '.join(map(str, gone))}" if gone else "a worker"
            raise LogoError(
                f"{who} of {self.workers} is gone; the last checkpoint is kept: start all workers "
                "again with the same command to resume"
            ) from error


ALONE = Replicas()
"""A process that trains by itself, on one device."""


def make_replicas(name: str) -> Replicas:
    """Prepare devices to train together.

    Several workers wait here for one another. TensorFlow must not have been used before in
    the process, if there are to be several.

    Args:
      name: ``none``; ``mirrored``: all GPUs of this machine; ``multiworker``: all machines
        that the environment's ``TF_CONFIG`` names.

    Raises:
      LogoError: no such strategy, ``TF_CONFIG`` is wrong, or the workers do not meet.
    """
    require(name in STRATEGIES, f"no strategy {name!r}; {nearest(name, STRATEGIES)}")
    if name == "none":
        return ALONE
    if name == "mirrored":
        return Replicas(tf.distribute.MirroredStrategy())
    cluster = read_cluster(os.environ)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise LogoError(
            f"worker {cluster.worker} of {cluster.workers} ({cluster.addresses[cluster.worker]}) "
            f"did not meet the others: {reason}; check the addresses and that all were started"
        ) from error
    return Replicas(strategy, cluster)


def global_sums(*values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Sums over all replicas, of scalars of one type; the gradient is of the own share alone."""
    context = _one_of_several()
    if context is None:
        return values
    stacked = tf.stack(values)
    total = context.all_reduce("SUM", tf.stop_gradient(stacked))
    # The second term is 0, but has the gradient.
    return tuple(tf.unstack(total + (stacked - tf.stop_gradient(stacked))))


def global_max(value: tf.Tensor) -> tf.Tensor:
    """The largest of all replicas, of a scalar; no gradient flows."""
    if _one_of_several() is None:
        return value
    return tf.reduce_max(of_all_rows(value[None]))


def global_gradients(gradients: Sequence[tf.Tensor | None]) -> Sequence[tf.Tensor | None]:
    """Sums over all replicas of the gradients of their own rows, None where there is none."""
    context = _one_of_several()
    if context is None:
        return gradients
    known = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    summed = iter(context.all_reduce("SUM", known))
    return [None if g is None else next(summed) for g in gradients]


def row_numbers(count: tf.Tensor) -> tf.Tensor:
    """(count,) int32: the numbers in the whole batch of a replica's rows."""
    context = _one_of_several()
    if context is None:
        return tf.range(count)
    return tf.range(count) * context.num_replicas_in_sync + _number(context)


def draw_rows(draw: Callable[[Any], tf.Tensor], shape: Any, axis: int = 0) -> tf.Tensor:
    """Draw for the whole batch, and keep what falls on this replica's rows.

    Args:
      draw: makes a tensor of the shape that it is given, the same on all replicas.
      shape: of this replica's part.
      axis: that of the rows.
    """
    context = _one_of_several()
    if context is None:
        return draw(shape)
    sizes = tf.unstack(tf.convert_to_tensor(shape))
    count = sizes[axis]
    sizes[axis] = count * context.num_replicas_in_sync
    return tf.gather(draw(tf.stack(sizes)), row_numbers(count), axis=axis)


def of_all_rows(values: tf.Tensor) -> tf.Tensor:
    """(b * R, ...) of the whole batch, in its order, of a replica's (b, ...); no gradient flows."""
    context = _one_of_several()
    if context is None:
        return values
    total = context.num_replicas_in_sync
    mine = tf.reshape(tf.range(total) == _number(context), (total, *[1] * (values.shape.rank - 1)))
    spread = tf.where(mine, tf.stop_gradient(values)[:, None], tf.zeros((), values.dtype))
    sizes = tf.shape(values)
    shape = tf.concat([[sizes[0] * total], sizes[1:]], axis=0)
    return tf.reshape(context.all_reduce("SUM", spread), shape)


def own_rows(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of rows of the whole batch those that are this replica's.

    Args:
      numbers: (P,) of rows in the whole batch.

    Returns:
      (Q,) int32 where they stand among the P, and (Q,) their numbers in the replica's part.
    """
    context = _one_of_several()
    if context is None:
        return tf.range(tf.shape(numbers)[0]), numbers
    total = tf.cast(context.num_replicas_in_sync, numbers.dtype)
    mine = numbers % total == tf.cast(_number(context), numbers.dtype)
    places = tf.cast(tf.where(mine)[:, 0], tf.int32)
    return places, tf.gather(numbers, places) // total


def replica_sums(values: tf.Tensor) -> tf.Tensor:
    """(...) sums over all replicas, of values (...) of one shape; no gradient flows."""
    context = _one_of_several()
    return values if context is None else context.all_reduce("SUM", tf.stop_gradient(values))


def one_of_several() -> bool:
    """Whether this is the step of one replica among several."""
    return _one_of_several() is not None


def _one_of_several() -> tf.distribute.ReplicaContext | None:
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def _number(context: tf.distribute.ReplicaContext) -> tf.Tensor:
    return tf.cast(context.replica_id_in_sync_group, tf.int32)
