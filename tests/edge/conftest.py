"""Bundles of policies with random weights: two unequal agents, and three that remember."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.offline_agent import AgentSetup
from logo_tf.agents.policy import TrainedPolicy
from logo_tf.agents.registry import build_agent
from logo_tf.artifacts import Manifest
from logo_tf.config import to_dict
from logo_tf.export.bundle import write_bundle
from logo_tf.specs import ScenarioSpec


def untrained(spec: ScenarioSpec) -> TrainedPolicy:
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
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    agent = build_agent(AgentSetup(spec, config, 0, step, scales))
    manifest = Manifest(kind="policy", spec=spec.to_dict(), config=to_dict(config))
    return TrainedPolicy(manifest, config, agent)


@pytest.fixture(scope="session")
def teams(continuous_spec: ScenarioSpec, discrete_spec: ScenarioSpec) -> dict[str, TrainedPolicy]:
    """A policy of each kind; the vectors' bounds are not symmetric."""
    bounded = dataclasses.replace(
        continuous_spec,
        action_low=((-1.0, -3.0), (0.5, 0.0)),
        action_high=((2.0, -1.0), (1.0, 0.0)),
    )
    return {"continuous": untrained(bounded), "discrete": untrained(discrete_spec)}


@pytest.fixture(scope="session")
def bundles(
    teams: dict[str, TrainedPolicy], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A float32 bundle of each kind; not to be written to."""
    folder = tmp_path_factory.mktemp("bundles")
    for kind, policy in teams.items():
        write_bundle(policy, policy.manifest, folder / kind)
    return {kind: folder / kind for kind in teams}
