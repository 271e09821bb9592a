"""Golden inputs: random observations, states and actions that fit a scenario's spec."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from logo_tf.specs import ScenarioSpec


class GoldenInputs(NamedTuple):
    """What models and policies are compared on.

    observations: (B, N, O) float32, zero where padded, and all zero for the dead
    agents of a scenario with a no-op; legal_actions: (B, N, L) float32, 1 where
    legal, at least one per agent, only the no-op for the dead; actions: (B, N) int32,
    legal, or (B, N, A) float32, within the bounds; state: (B, S) float32;
    agent_mask: (B, N) float32; memory: (B, N, M) float32 within -1..1, as a GRU's.
    """

    observations: np.ndarray
    legal_actions: np.ndarray
    actions: np.ndarray
    state: np.ndarray
    agent_mask: np.ndarray
    memory: np.ndarray


class Scales(NamedTuple):
    """Where a model's data lie, in raw units.

    observation_mean, observation_std: broadcast to (N, O); state_mean, state_std: to
    (S,); reward_std: ().
    """

    observation_mean: Any = 0.0
    observation_std: Any = 1.0
    state_mean: Any = 0.0
    state_std: Any = 1.0
    reward_std: Any = 1.0


def scales_of(known: Any) -> Scales:
    """Return the scales that a ``Standardisation`` holds, or standard ones for None.

    Far outside of its data a network works at magnitudes where float32 itself is off by
    more than parity allows, so it is compared where it will be used.
    """
    standard = Scales()._asdict()
    return Scales(**{name: getattr(known, name, default) for name, default in standard.items()})


def golden_inputs(
    spec: ScenarioSpec, batch: int, seed: int, scales: Scales | None = None, memory_dim: int = 0
) -> GoldenInputs:
    """Draw a batch; observations and states are normal, standard normal by default."""
    scales = scales or Scales()
    rng = np.random.default_rng([seed, batch])
    shape = (batch, spec.num_agents)
    alive = np.ones(shape, np.float32)
    if spec.noop_action is not None:
        alive = (rng.random(shape) < 0.8).astype(np.float32)
    observations = rng.normal(size=(*shape, spec.observation_dim))
    observations = observations * scales.observation_std + scales.observation_mean
    observations = observations * spec.observation_mask * alive[..., None]
    legal = np.zeros((*shape, 0), np.float32)
    if spec.discrete:
        legal = _legal_actions(spec, alive, rng)
        # The Gumbel trick: the highest of equal scores plus noise is uniform over them.
        noise = rng.gumbel(size=legal.shape)
        actions = np.where(legal > 0, noise, -np.inf).argmax(-1).astype(np.int32)
    else:
        low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
        actions = rng.uniform(low, high, (*shape, spec.action_dim)).astype(np.float32)
        actions *= spec.action_mask
    state = rng.normal(size=(batch, spec.state_dim)) * scales.state_std + scales.state_mean
    memory = rng.uniform(-1.0, 1.0, (*shape, memory_dim))
    return GoldenInputs(
        observations.astype(np.float32),
        legal,
        actions,
        state.astype(np.float32),
        alive,
        memory.astype(np.float32),
    )


def _legal_actions(spec: ScenarioSpec, alive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    exists = spec.action_mask
    legal = ((rng.random((*alive.shape, spec.action_dim)) < 0.6) * exists).astype(np.float32)
    real = exists.copy()
    if spec.noop_action is not None:
        legal[..., spec.noop_action] = 0.0
        real[:, spec.noop_action] = 0.0
    sure = np.where(real > 0, rng.gumbel(size=legal.shape), -np.inf).argmax(-1)
    np.put_along_axis(legal, sure[..., None], 1.0, axis=-1)
    if spec.noop_action is not None:
        only = np.eye(spec.action_dim, dtype=np.float32)[spec.noop_action]
        legal = np.where(alive[..., None] > 0, legal, only)
    return legal
