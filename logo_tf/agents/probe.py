"""A look at a policy while it is trained; what it finds is logged and decides nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from logo_tf.scenarios.protocol import TeamPolicy


@dataclasses.dataclass(frozen=True)
class Probe:
    """Measures the policy every so many gradient steps.

    Offline learning may not choose by the scenario's returns, so a probe only tells.

    Attributes:
      every: gradient steps between two looks.
      measure: the policy as it is -> named numbers for ``metrics.jsonl``. It must draw
        from random streams of its own.
    """

    every: int
    measure: Callable[[TeamPolicy], Mapping[str, float]]
