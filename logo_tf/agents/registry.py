"""Algorithms by name. Importing this imports no TF-Agents."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, Literal

from logo_tf.agents.config import PolicyConfig
from logo_tf.config import override
from logo_tf.errors import LogoError, nearest
from logo_tf.specs import ActionKind, ScenarioSpec

if TYPE_CHECKING:
    from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent
    from logo_tf.agents.portions import Portion


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """How one algorithm learns one kind of action.

    Attributes:
      agent: its ``OfflineAgent``, as module:class.
      portion: what it learns from at a time, a name of ``portions``, as module:class.
      imagination: whether it learns from imagined transitions: ``mixed`` takes a
        share of each batch from a world model that is given, ``none`` leaves it alone.
      settings: where its defaults differ from ``PolicyConfig``'s, as ``name=value``.
    """

    agent: str
    portion: str = "logo_tf.agents.portions:SingleTransitions"
    imagination: Literal["mixed", "none"] = "mixed"
    settings: tuple[str, ...] = ()


_BC = Algorithm("logo_tf.agents.bc:BCAgent", imagination="none")
# 5 real rows and 15 imagined ones, as in the paper's horizon; QMIX's own sizes.
_RECURRENT = (
    "width=64",
    "depth=1",
    "memory=64",
    "window=15",
    "burn_in=5",
    "batch_size=480",
    "tau=0.005",
    "imagination.horizon=15",
    "imagination.share=0.5",
    "imagination.branches=256",
)


def _in_sample(agent: str) -> dict[ActionKind, Algorithm]:
    """One class for both kinds of action, from windows that are as long as branches."""
    portion = "logo_tf.agents.portions:Windows"
    return {
        "continuous": Algorithm(agent, portion, settings=("window=5",)),
        "discrete": Algorithm(agent, portion, settings=_RECURRENT),
    }


ALGORITHMS: dict[str, dict[ActionKind, Algorithm]] = {
    "bc": {"continuous": _BC, "discrete": _BC},
    "matd3bc": {"continuous": Algorithm("logo_tf.agents.matd3bc:MATD3BCAgent")},
    "macql": {
        "continuous": Algorithm("logo_tf.agents.macql:MACQLAgent"),
        "discrete": Algorithm(
            "logo_tf.agents.discrete_macql:DiscreteMACQLAgent",
            portion="logo_tf.agents.portions:Windows",
            settings=(*_RECURRENT, "cql_alpha=1.0", "cql_states=128", "cql_actions=50"),
        ),
    },
    "cfcql": {
        "continuous": Algorithm("logo_tf.agents.cfcql:CFCQLAgent"),
        "discrete": Algorithm(
            "logo_tf.agents.discrete_cfcql:DiscreteCFCQLAgent",
            portion="logo_tf.agents.portions:Windows",
            settings=_RECURRENT,
        ),
    },
    "omar": {"continuous": Algorithm("logo_tf.agents.omar:OMARAgent")},
    "icq": _in_sample("logo_tf.agents.icq:ICQAgent"),
    "omiga": _in_sample("logo_tf.agents.omiga:OMIGAAgent"),
}


def algorithm(name: str, spec: ScenarioSpec) -> Algorithm:
    """Return an algorithm that can train the scenario.

    Raises:
      LogoError: the name is unknown, or the algorithm cannot train this action kind.
    """
    return _entry(name, spec.action_kind, f"{spec.name} has")


def default_config(name: str | None, kind: ActionKind) -> PolicyConfig:
    """The settings that an algorithm starts from for one kind of action.

    Args:
      name: of the algorithm; None is matd3bc or, for discrete actions, macql.
      kind: of the actions.

    Raises:
      LogoError: the name is unknown, or the algorithm cannot train this kind.
    """
    name = name or ("macql" if kind == "discrete" else "matd3bc")
    settings = _entry(name, kind, "these scenarios have").settings
    return override(PolicyConfig(), [f"algorithm={name}", *settings])


def build_agent(setup: AgentSetup) -> OfflineAgent:
    """Build the agent that ``setup.config.algorithm`` names.

    Raises:
      LogoError: as ``algorithm``.
    """
    agent: OfflineAgent = _named(algorithm(setup.config.algorithm, setup.spec).agent)(setup)
    return agent


def portion_of(config: PolicyConfig, spec: ScenarioSpec) -> Portion:
    """What the config's algorithm learns from at a time.

    Raises:
      LogoError: as ``algorithm``, or the config does not fit it.
    """
    portion: Portion = _named(algorithm(config.algorithm, spec).portion)(config)
    return portion


def require_algorithm(name: str) -> None:
    """Check a name before there is a scenario.

    Raises:
      LogoError: there is no such algorithm.
    """
    if name not in ALGORITHMS:
        raise LogoError(f"unknown algorithm {name!r}; {nearest(name, ALGORITHMS)}")


def _entry(name: str, kind: ActionKind, whose: str) -> Algorithm:
    require_algorithm(name)
    kinds = ALGORITHMS[name]
    if kind not in kinds:
        fitting = [other for other, known in ALGORITHMS.items() if kind in known]
        raise LogoError(
            f"algorithm {name!r} trains {' and '.join(kinds)} actions, but "
            f"{whose} {kind} ones; choose one of: {', '.join(fitting)}"
        )
    return kinds[kind]


def _named(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
