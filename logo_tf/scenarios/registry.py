"""Scenarios by name. Importing this imports no environment."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from logo_tf.errors import LogoError, nearest
from logo_tf.scenarios.protocol import Scenario
from logo_tf.specs import ScenarioSpec

# Name -> the class that is built with that name, as module:class.
_SCENARIOS: dict[str, str] = {
    "mamujoco/Ant-2x4": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/Ant-4x2": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/HalfCheetah-2x3": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/HalfCheetah-6x1": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/Hopper-3x1": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/Swimmer-2x1": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "mamujoco/Walker2d-2x3": "logo_tf.scenarios.mamujoco:MaMuJoCo",
    "smax/27m_vs_30m": "logo_tf.scenarios.smax:Smax",
    "smax/2s3z": "logo_tf.scenarios.smax:Smax",
    "smax/3m": "logo_tf.scenarios.smax:Smax",
    "smax/3s_vs_5z": "logo_tf.scenarios.smax:Smax",
    "smax/5m_vs_6m": "logo_tf.scenarios.smax:Smax",
    "smax/8m": "logo_tf.scenarios.smax:Smax",
}


def scenario_names() -> list[str]:
    """Return every scenario's name, sorted."""
    return sorted(_SCENARIOS)


def make_scenario(name: str, **kwargs: Any) -> Scenario:
    """Build a scenario.

    Args:
      name: one of ``scenario_names()``.
      **kwargs: handed to the scenario's class.

    Raises:
      LogoError: the name is unknown (the message names the nearest), or the
        scenario's packages are missing.
    """
    if name not in _SCENARIOS:
        raise LogoError(f"unknown scenario {name!r}; {nearest(name, _SCENARIOS)}")
    module, _, attribute = _SCENARIOS[name].partition(":")
    scenario: Scenario = getattr(importlib.import_module(module), attribute)(name, **kwargs)
    return scenario


@functools.cache
def scenario_spec(name: str) -> ScenarioSpec:
    """Return a scenario's spec; builds the environment once to ask it.

    Raises:
      LogoError: as ``make_scenario``.
    """
    scenario = make_scenario(name)
    try:
        return scenario.spec
    finally:
        scenario.close()
