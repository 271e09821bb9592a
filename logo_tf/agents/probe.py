"""A look at a policy while it is trained; what it finds is logged and decides nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from logo_tf.metrics import MetricLogger
from logo_tf.scenarios.protocol import TeamPolicy


@dataclasses.dataclass(frozen=True)
class Probe:
    """Measures the policy every so many gradient steps.

    Offline learning may not choose by the scenario's returns, so a probe only tells.

    Attributes:
      every: gradient steps between two looks.
      measure: the policy as it is -> named numbers for ``curve.jsonl``. It must draw
        from random streams of its own.
    """

    every: int
    measure: Callable[[TeamPolicy], Mapping[str, float]]


class Look:
    """A trigger of TF-Agents' learner that lets a probe measure when it is time to."""

    def __init__(self, probe: Probe, policy: TeamPolicy, logger: MetricLogger) -> None:
        """Args: probe: measures; policy: in training; logger: takes what is found."""
        self._probe, self._policy, self._logger = probe, policy, logger

    def __call__(self, step: int, force_trigger: bool = False) -> None:
        """Measure every so many steps."""
        step = int(step)
        if step % self._probe.every == 0:
            self._logger.write(step, self._probe.measure(self._policy))
