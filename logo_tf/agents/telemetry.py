"""Training's numbers, averaged in the graph and looked at every few hundred steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.metrics import MetricLogger, require_finite


class RunningMeans:
    """Averages scalars over steps, inside the training graph."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Args: names: of the scalars, in order."""
        self._names = names
        self._sums = tf.Variable(tf.zeros(len(names)), trainable=False)
        self._count = tf.Variable(0.0, trainable=False)

    def add(self, scalars: Sequence[tf.Tensor]) -> None:
        """Take one step's numbers."""
        self._sums.assign_add(tf.stack(scalars))
        self._count.assign_add(1.0)

    def take(self) -> dict[str, float]:
        """Return the means since the last call, and start anew."""
        means = self._sums.numpy() / max(float(self._count.numpy()), 1.0)
        self._sums.assign(tf.zeros_like(self._sums))
        self._count.assign(0.0)
        return {name: float(value) for name, value in zip(self._names, means, strict=True)}


class Selected:
    """Hands only some metrics on: what fits beside a progress bar."""

    def __init__(self, logger: MetricLogger, names: tuple[str, ...]) -> None:
        """Args: logger: where they go; names: which; those that are missing are skipped."""
        self._logger = logger
        self._names = names

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand on the selected metrics."""
        self._logger.write(step, {n: metrics[n] for n in self._names if n in metrics})

    def close(self) -> None:
        """Close the logger."""
        self._logger.close()


class HealthCheck:
    """A trigger of TF-Agents' learner that logs, and stops a training that broke.

    Triggers run in order and the learner's own checkpoint comes last, so what broke is
    never checkpointed.
    """

    def __init__(
        self,
        means: RunningMeans,
        logger: MetricLogger,
        log_every: int,
        last_step: int,
        value_limit: float,
        more: Callable[[], Mapping[str, float]],
    ) -> None:
        """Store what to watch.

        Args:
          means: where the numbers come from.
          logger: where they go.
          log_every: steps between two looks.
          last_step: training's end, always looked at.
          value_limit: a mean |Q| above it counts as divergence.
          more: further metrics to log.
        """
        self._means = means
        self._logger = logger
        self._log_every = log_every
        self._last_step = last_step
        self._value_limit = value_limit
        self._more = more
        self.latest: dict[str, float] = {}

    def __call__(self, step: int, force_trigger: bool = False) -> None:
        """Look at the numbers if it is time to.

        Raises:
          LogoError: a number is not finite, or the critics diverged.
        """
        step = int(step)
        if step % self._log_every and step != self._last_step and not force_trigger:
            return
        metrics = self._means.take()
        require_finite(step, metrics, "policy training")
        for name in ("q_data", "q_policy"):
            if abs(metrics.get(name, 0.0)) > self._value_limit:
                raise LogoError(
                    f"policy training: {name} reached {metrics[name]:.3g} at step {step}, beyond "
                    f"what any policy can earn ({self._value_limit:.3g}): the critics diverge; "
                    "the last checkpoint is kept; lower the learning rates or raise cql_alpha"
                )
        self.latest = {**metrics, **self._more()}
        # No rate among them: equal trainings leave equal artefacts. The progress bar has it.
        self._logger.write(step, self.latest)
