"""Algorithms by name. Importing this imports no TF-Agents."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Literal

from logo_tf.errors import LogoError, nearest
from logo_tf.specs import ActionKind, ScenarioSpec

if TYPE_CHECKING:
    from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """One entry.

    Attributes:
      agent: its ``OfflineAgent``, as module:class.
      action_kinds: what it can train.
      imagination: whether it learns from imagined transitions: ``mixed`` takes a
        share of each batch from a world model that is given, ``none`` leaves it alone.
    """

    agent: str
    action_kinds: tuple[ActionKind, ...]
    imagination: Literal["mixed", "none"] = "mixed"


ALGORITHMS: dict[str, Algorithm] = {
    "bc": Algorithm("logo_tf.agents.bc:BCAgent", ("continuous", "discrete"), "none"),
    "matd3bc": Algorithm("logo_tf.agents.matd3bc:MATD3BCAgent", ("continuous",)),
    "macql": Algorithm("logo_tf.agents.macql:MACQLAgent", ("continuous",)),
}


def algorithm(name: str, spec: ScenarioSpec) -> Algorithm:
    """Return an algorithm that can train the scenario.

    Raises:
      LogoError: the name is unknown, or the algorithm cannot train this action kind.
    """
    if name not in ALGORITHMS:
        raise LogoError(f"unknown algorithm {name!r}; {nearest(name, ALGORITHMS)}")
    entry = ALGORITHMS[name]
    if spec.action_kind not in entry.action_kinds:
        fitting = [n for n, other in ALGORITHMS.items() if spec.action_kind in other.action_kinds]
        raise LogoError(
            f"algorithm {name!r} trains {' and '.join(entry.action_kinds)} actions, but "
            f"{spec.name} has {spec.action_kind} ones; choose one of: {', '.join(fitting)}"
        )
    return entry


def build_agent(setup: AgentSetup) -> OfflineAgent:
    """Build the agent that ``setup.config.algorithm`` names.

    Raises:
      LogoError: as ``algorithm``.
    """
    entry = algorithm(setup.config.algorithm, setup.spec)
    module, _, attribute = entry.agent.partition(":")
    agent: OfflineAgent = getattr(importlib.import_module(module), attribute)(setup)
    return agent
