"""An episode's arrays agent by agent, each as wide as the agent: without padding."""

from __future__ import annotations

import re

import numpy as np

from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec


def agent_keys(spec: ScenarioSpec) -> tuple[str, ...]:
    """Names that can be keys of groups: the agents' own, or their numbers where two collide."""
    keys = tuple(re.sub(r"\W", "_", agent) for agent in spec.agents)
    if len(set(keys)) < len(keys) or "" in keys:
        return tuple(f"agent_{i}" for i in range(spec.num_agents))
    return keys


def observations_of(episode: Episode, spec: ScenarioSpec) -> list[np.ndarray]:
    """N arrays (T+1, O_i) float32."""
    return [episode.observations[:, i, :width] for i, width in enumerate(spec.observation_dims)]


def actions_of(episode: Episode, spec: ScenarioSpec) -> list[np.ndarray]:
    """N arrays, (T,) int64 or (T, A_i) float32."""
    if spec.discrete:
        return [episode.actions[:, i].astype(np.int64) for i in range(spec.num_agents)]
    return [episode.actions[:, i, :width] for i, width in enumerate(spec.action_dims)]


def legal_of(episode: Episode, spec: ScenarioSpec) -> list[np.ndarray]:
    """N arrays (T+1, A_i) bool, of discrete actions."""
    return [episode.legal_actions[:, i, :width] for i, width in enumerate(spec.action_dims)]
