"""SMAX battles of one map as pure functions of arrays, many battles in one compiled call."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from logo_tf.errors import LogoError, nearest

# SMAX's action that neither moves nor shoots, and all that a dead unit is left with.
STOP = 4
# Features of every unit in SMAX's world state; the weapon cooldown stands fourth.
_UNIT_FEATURES = 10
_COOLDOWN = 3
# Battles that one compiled call steps: on one core 64 marine battles cost nine times one.
LANES = 64


class Shown(NamedTuple):
    """What battles show, W at once.

    observations: (W, N, O) float32; state: (W, S) float32; legal_actions: (W, N, A)
    bool; alive: (W, N) bool; rewards: (W,) float32; terminated, truncated: (W,) bool.
    """

    observations: np.ndarray
    state: np.ndarray
    legal_actions: np.ndarray
    alive: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Units(NamedTuple):
    """Where the units of one battle are, allies first, for drawing.

    positions: (U, 2) in map units; health: (U,) share of the full health, 0 when dead;
    radii: (U,) in map units; allies: how many belong to the team.
    """

    positions: np.ndarray
    health: np.ndarray
    radii: np.ndarray
    allies: int


# One battle: the leaves of SMAX's state, and the key that all its randomness comes from.
Battle = tuple[np.ndarray, ...]


class Battles:
    """The compiled map.

    Attributes:
      agents: the allies' names.
      observation_dim: O of every agent.
      state_dim: S.
      actions: A of every agent: 4 moves, stop, and one attack per enemy.
      episode_limit: in steps.
      map_size: width and height in map units.
      versions: of the packages that play.
    """

    def __init__(self, scenario_name: str, map_name: str) -> None:
        """Build the environment; it compiles at the first reset and the first step.

        Raises:
          LogoError: the packages are missing, or SMAX has no such map.
        """
        with _quiet_import():
            try:
                import jax
                from jaxmarl.environments.smax import HeuristicEnemySMAX, map_name_to_scenario
                from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO
            except ImportError as error:
                raise LogoError(
                    f"scenario {scenario_name!r} needs a package that cannot be imported "
                    f"({error}); pip install 'logo_tf[smax]'"
                ) from None
        if map_name not in MAP_NAME_TO_SCENARIO:
            raise LogoError(
                f"SMAX has no map {map_name!r}; {nearest(map_name, MAP_NAME_TO_SCENARIO)}"
            )
        # The CPU, whatever else JAX finds: the same seed then begins the same battle everywhere.
        self._device = jax.devices("cpu")[0]
        self._jax = jax
        with jax.default_device(self._device):
            env: Any = HeuristicEnemySMAX(scenario=map_name_to_scenario(map_name))
        self._env = env
        self.agents = tuple(env.agents)
        self.observation_dim = int(env.obs_size)
        self.state_dim = int(env.state_size)
        self.actions = int(env.num_ally_actions)
        self.episode_limit = int(env.max_steps)
        self.map_size = (float(env.map_width), float(env.map_height))
        self.versions = ", ".join(
            f"{package} {importlib.metadata.version(package)}" for package in ("jaxmarl", "jax")
        )
        self._begin = jax.jit(jax.vmap(self._begin_one))
        self._advance = jax.jit(jax.vmap(self._advance_one))
        self._structure: Any = None

    def begin(self, seed: int) -> tuple[Battle, Shown]:
        """Begin a battle; returns it and what it shows (W = 1)."""
        key = np.asarray([[(seed >> 32) & 0xFFFFFFFF, seed & 0xFFFFFFFF]], np.uint32)
        with self._jax.default_device(self._device):
            state, shown = self._jax.device_get(self._begin(key))
        leaves, self._structure = self._jax.tree.flatten(state)
        return (key[0], *(leaf[0] for leaf in leaves)), Shown(*shown)

    def advance(self, battle: Battle, actions: np.ndarray) -> tuple[Battle, Shown]:
        """Step one running battle; returns it and what it shows (W = 1).

        Args:
          battle: the battle; it is left as it is.
          actions: (N,) int32.
        """
        after, shown = self._run([battle], actions[None], 1)
        return after[0], shown

    def advance_all(
        self, battles: Sequence[Battle], actions: np.ndarray
    ) -> tuple[list[Battle], Shown]:
        """Step W running battles, ``LANES`` a call.

        One width is compiled for any W, so a battle's course does not depend on how many
        are stepped with it. It may differ from ``advance`` by a float32 rounding, for
        sums may be taken in another order.

        Args:
          battles: W of them, at least one.
          actions: (W, N) int32.
        """
        after: list[Battle] = []
        parts: list[Shown] = []
        for first in range(0, len(battles), LANES):
            part = slice(first, first + LANES)
            moved, shown = self._run(battles[part], actions[part], LANES)
            after.extend(moved)
            parts.append(shown)
        return after, Shown(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _run(
        self, battles: Sequence[Battle], actions: np.ndarray, width: int
    ) -> tuple[list[Battle], Shown]:
        count = len(battles)
        # Lanes to spare repeat the last battle.
        rows = [*battles, *[battles[-1]] * (width - count)]
        joint = np.concatenate([actions, np.repeat(actions[-1:], width - count, axis=0)])
        keys, *leaves = (np.stack(column) for column in zip(*rows, strict=True))
        with self._jax.default_device(self._device):
            state, shown = self._jax.device_get(
                self._advance(
                    keys, self._jax.tree.unflatten(self._structure, leaves), joint.astype(np.int32)
                )
            )
        leaves = self._jax.tree.leaves(state)
        after = [(keys[lane], *(leaf[lane] for leaf in leaves)) for lane in range(count)]
        return after, Shown(*(values[:count] for values in shown))

    def units(self, battle: Battle) -> Units:
        """Where everyone stands."""
        state = self._jax.tree.unflatten(self._structure, battle[1:]).state
        types = np.asarray(state.unit_types)
        return Units(
            positions=np.asarray(state.unit_positions),
            health=np.asarray(state.unit_health) / np.asarray(self._env.unit_type_health)[types],
            radii=np.asarray(self._env.unit_type_radiuses)[types],
            allies=len(self.agents),
        )

    def _begin_one(self, key: Any) -> Any:
        observations, state = self._env.reset(key)
        return state, self._show(state, observations, np.float32(0.0))

    def _advance_one(self, key: Any, state: Any, actions: Any) -> Any:
        # step_env, because step would begin the next battle unasked.
        observations, state, rewards, _, _ = self._env.step_env(
            self._jax.random.fold_in(key, state.state.step + 1),
            state,
            dict(zip(self.agents, actions, strict=True)),
        )
        # The rewards of all allies are one number: their mean is any of them.
        return state, self._show(state, observations, rewards[self.agents[0]])

    def _show(self, state: Any, observations: Any, reward: Any) -> tuple[Any, ...]:
        jnp = self._jax.numpy
        count = len(self.agents)
        alive = state.state.unit_alive
        legal = self._env.get_avail_actions(state)
        # SMAX lets the cooldown of a weapon that is ready count on below zero, a clock that
        # nobody observes and that nothing depends on; observations stop at zero as well.
        units = len(alive) * _UNIT_FEATURES
        world = observations["world_state"].astype(jnp.float32)
        cooldown = jnp.arange(world.shape[0]) % _UNIT_FEATURES == _COOLDOWN
        cooldown &= jnp.arange(world.shape[0]) < units
        world = jnp.where(cooldown, jnp.maximum(world, 0.0), world)
        ended = ~jnp.any(alive[:count]) | ~jnp.any(alive[count:])
        return (
            jnp.stack([observations[agent] for agent in self.agents]).astype(jnp.float32),
            world,
            jnp.stack([legal[agent] for agent in self.agents]).astype(bool),
            alive[:count],
            jnp.float32(reward),
            ended,
            (state.state.step >= self.episode_limit) & ~ended,
        )


@functools.cache
def battles(scenario_name: str, map_name: str) -> Battles:
    """The compiled map; all copies of a scenario share it."""
    return Battles(scenario_name, map_name)


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Drop what JaxMARL prints of its optional environments while it is imported.

    One of them sets stdout and stderr to ``sys.__stdout__`` and ``sys.__stderr__``, so
    redirecting alone is undone half way, and stderr must be put back as well.
    """
    before = sys.stdout, sys.__stdout__, sys.stderr
    sys.stdout = sys.__stdout__ = io.StringIO()  # type: ignore[misc]
    try:
        yield
    finally:
        sys.stdout, sys.__stdout__, sys.stderr = before  # type: ignore[misc]
