"""How much is imagined, how often, and which of it is learned from."""

from __future__ import annotations

import dataclasses
from typing import Literal

from logo_tf.config import require
from logo_tf.world_model.config import Accumulation


@dataclasses.dataclass(frozen=True)
class ImaginationConfig:
    """Settings of imagination. Defaults follow the paper's 4.3 and 4.4 and MBPO's practice.

    Attributes:
      horizon: H, steps of an imagined branch.
      branches: real transitions that branches start from, each round.
      refresh_every: policy updates between two rounds.
      rounds: how many rounds the store keeps; older ones are overwritten.
      sampler: how imagined transitions are weighted, a name of ``sampling``.
      accumulation: the u that samplers see: that of the ``step`` itself, or the ``sum``,
        ``max`` or ``rms`` of its branch up to it, as open-loop errors grow with what went
        before.
      truncation: C of P_u = max(C - u / median(u), 0). At 2 the effective sample size is
        about .8 of the store.
      temperature: of the ``uncertainty`` sampler's weights exp(P_u / temperature), of which
        no two have a ratio above e^(C / temperature): small ones select harder.
      penalty: lambda of the ``penalty`` sampler, r - lambda * u / median(u), in
        standard deviations of the imagined rewards.
      share: share of a training batch that is imagined; at 0 no world model is used and
        the algorithm is the bare one.
    """

    horizon: int = 15
    branches: int = 1024
    refresh_every: int = 1000
    rounds: int = 5
    sampler: Literal["uncertainty", "uniform", "penalty"] = "uncertainty"
    accumulation: Accumulation = "step"
    truncation: float = 2.0
    temperature: float = 1.0
    penalty: float = 0.25
    share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("horizon", "branches", "refresh_every", "rounds"):
            value = getattr(self, name)
            require(value >= 1, f"imagination config: {name} must be at least 1, got {value}")
        for name in ("truncation", "penalty"):
            value = getattr(self, name)
            require(value >= 0, f"imagination config: {name} must not be negative, got {value}")
        require(
            self.temperature > 0,
            f"imagination config: temperature must be positive, got {self.temperature}",
        )
        require(
            0 <= self.share < 1,
            f"imagination config: share must be at least 0 and below 1, got {self.share}",
        )
