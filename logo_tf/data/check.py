"""One thing that a dataset and a scenario are compared in."""

from __future__ import annotations

import dataclasses
from typing import Literal

Verdict = Literal["fits", "does not fit", "cannot tell"]


@dataclasses.dataclass(frozen=True)
class Check:
    """A comparison and what came of it.

    Attributes:
      name: what was compared.
      verdict: ``cannot tell`` where one side says nothing of it.
      dataset: what the dataset has.
      scenario: what the scenario has.
    """

    name: str
    verdict: Verdict
    dataset: str
    scenario: str


def verdict(fits: bool) -> Verdict:
    """The verdict where there is one."""
    return "fits" if fits else "does not fit"
