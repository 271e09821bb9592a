"""Episodes of random numbers in the sizes of two scenarios."""

from __future__ import annotations

import numpy as np

from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

VECTORS = ScenarioSpec(
    name="mamujoco/HalfCheetah-2x3",
    environment="random numbers of its sizes",
    agents=("back", "front"),
    observation_dims=(12, 12),
    state_dim=17,
    action_kind="continuous",
    action_dims=(3, 3),
    action_low=((-1.0,) * 3,) * 2,
    action_high=((1.0,) * 3,) * 2,
    episode_limit=1000,
)
CHOICES = ScenarioSpec(
    name="smac/3m",
    environment="random numbers of its sizes",
    agents=("agent_0", "agent_1", "agent_2"),
    observation_dims=(30,) * 3,
    state_dim=48,
    action_kind="discrete",
    action_dims=(9,) * 3,
    episode_limit=60,
)


def random_episode(spec: ScenarioSpec, rng: np.random.Generator, t: int) -> Episode:
    """T transitions of unrelated numbers, all normal but the actions; half of choices are legal."""
    n = spec.num_agents
    legal = np.ones((t + 1, n, spec.legal_dim), bool)
    observations = _normal(rng, (t + 1, n, spec.observation_dim))
    state = _normal(rng, (t + 1, spec.state_dim))
    if spec.discrete:
        taken = rng.integers(0, spec.action_dim, (t + 1, n, 1), np.int32)
        legal = rng.random(legal.shape) < 0.5
        np.put_along_axis(legal, taken, True, axis=-1)
        actions = taken[:-1, :, 0]
    else:
        actions = rng.uniform(-1, 1, (t, n, spec.action_dim)).astype(np.float32)
    return Episode(
        observations=observations,
        state=state,
        actions=actions,
        rewards=_normal(rng, (t,)),
        legal_actions=legal,
        agent_mask=np.ones((t + 1, n), bool),
        terminated=t < spec.episode_limit and spec.discrete,
    )


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)
