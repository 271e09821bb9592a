"""What steps earn."""

from __future__ import annotations

import numpy as np

from logo_tf.data.steps import Steps
from logo_tf.data.summary import Summary, SummaryTally


class RewardTally:
    """Rewards of transitions that come in order, some at a time, all of them twice."""

    def __init__(self) -> None:
        self._summary = SummaryTally()
        self._count = self._rewarded = 0
        self._size = self._last = 0.0

    def add(self, steps: Steps) -> None:
        """Add M of them: their ``rewards``."""
        rewards = steps.fields["rewards"]
        sizes = np.abs(rewards, dtype=np.float64)
        self._summary.add(rewards)
        self._count += len(rewards)
        self._rewarded += int(np.count_nonzero(rewards))
        self._size += float(sizes.sum())
        self._last += float(sizes[steps.last].sum())

    def add_again(self, steps: Steps) -> None:
        """Add the same steps once more, when all have been added."""
        self._summary.add_again(steps.fields["rewards"])

    def result(self) -> Summary:
        """Return how rewards of one step are spread."""
        return self._summary.result()

    @property
    def rewarded(self) -> float:
        """Share of steps with a reward other than 0."""
        return self._rewarded / self._count

    @property
    def at_end(self) -> float:
        """Share of all rewards, by size, that episodes' last steps brought."""
        return self._last / (self._size or 1.0)
