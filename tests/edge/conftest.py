"""Bundles of policies with random weights: two unequal agents, and three that remember."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from logo_tf.agents.config import PolicyConfig
from logo_tf.export.bundle import write_bundle
from logo_tf.specs import ScenarioSpec


def untrained(spec: ScenarioSpec, build: Callable[..., Any]) -> Any:
    """As training begins, over observations that are not standard ones."""
    config = PolicyConfig(algorithm="bc", width=64)
    if spec.discrete:
        config = PolicyConfig(algorithm="macql", width=64, memory=24, window=4, burn_in=2)
    rng, shape = np.random.default_rng(0), (spec.num_agents, spec.observation_dim)
    scales = SimpleNamespace(
        observation_mean=rng.normal(size=shape).astype(np.float32),
        observation_std=rng.uniform(0.5, 2.0, shape).astype(np.float32),
        state_mean=np.zeros(spec.state_dim, np.float32),
        state_std=np.ones(spec.state_dim, np.float32),
    )
    return build(spec, config, scales)


@pytest.fixture(scope="session")
def teams(
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    untrained_policy: Callable[..., Any],
) -> dict[str, Any]:
    """A policy of each kind; the vectors' bounds are not symmetric."""
    bounded = dataclasses.replace(
        continuous_spec,
        action_low=((-1.0, -3.0), (0.5, 0.0)),
        action_high=((2.0, -1.0), (1.0, 0.0)),
    )
    return {
        "continuous": untrained(bounded, untrained_policy),
        "discrete": untrained(discrete_spec, untrained_policy),
    }


@pytest.fixture(scope="session")
def bundles(teams: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A float32 bundle of each kind; not to be written to."""
    folder = tmp_path_factory.mktemp("bundles")
    for kind, policy in teams.items():
        write_bundle(policy, policy.manifest, folder / kind)
    return {kind: folder / kind for kind in teams}
