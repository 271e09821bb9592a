"""What an SMAX agent sees, read back from its observation into map units and health points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logo_tf.specs import ScenarioSpec

# As in JaxMARL 0.2.0: marine, marauder, stalker, zealot, zergling, hydralisk.
_SIGHT = np.asarray([9.0, 10.0, 10.0, 9.0, 8.0, 9.0], np.float32)  # map units
_RANGE = np.asarray([5.0, 6.0, 6.0, 2.0, 2.0, 5.0], np.float32)  # map units
_HEALTH = np.asarray([45.0, 125.0, 160.0, 150.0, 35.0, 80.0], np.float32)  # points
_COOLDOWN = np.asarray([0.61, 1.07, 1.87, 0.86, 0.5, 0.59], np.float32)  # seconds
MAP_SIZE = 32.0  # map units a side
STEP_SECONDS = 0.5
# Where actions 0 to 3 lead: up, right, down, left.
DIRECTIONS = np.asarray([(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)], np.float32)
# Another unit: health, relative position (2), last move (2), last target, cooldown, type (6);
# oneself: health, position (2), cooldown, type (6).
_OTHER, _OTHER_TYPE, _OWN, _OWN_TYPE = 13, 7, 10, 4
_UNSEEN = 99.0  # map units: farther than anything on the map


class Sight(NamedTuple):
    """What each of N agents sees of E enemies and of its team (N, itself first).

    Positions are relative to the agent but for ``place``; whoever is dead or out of its
    sight is not alive, not seen, and ``_UNSEEN`` away.

    place: (B, N, 2) map units; own_health: (B, N) share; reload_seconds: (B, N) until
    the weapon is ready; team: (B, N, N, 2); team_alive: (B, N, N) bool; team_health:
    (B, N, N) share; team_ranges: (B, N, N); enemies: (B, N, E, 2); enemy_seen:
    (B, N, E) bool; enemy_health: (B, N, E) points; enemy_ranges: (B, N, E); distances:
    (B, N, N, E) from each of the team to each enemy.
    """

    place: np.ndarray
    own_health: np.ndarray
    reload_seconds: np.ndarray
    team: np.ndarray
    team_alive: np.ndarray
    team_health: np.ndarray
    team_ranges: np.ndarray
    enemies: np.ndarray
    enemy_seen: np.ndarray
    enemy_health: np.ndarray
    enemy_ranges: np.ndarray
    distances: np.ndarray

    @classmethod
    def read(cls, spec: ScenarioSpec, observations: np.ndarray) -> Sight:
        """Read (B, N, O) observations of an SMAX scenario."""
        own = observations[..., -_OWN:]
        kind = np.argmax(own[..., _OWN_TYPE:], axis=-1)
        others = observations[..., :-_OWN].reshape(*observations.shape[:2], -1, _OTHER)
        positions = others[..., 1:3] * _SIGHT[kind][..., None, None]
        kinds = np.argmax(others[..., _OTHER_TYPE:], axis=-1)
        health = others[..., 0]
        allies = slice(None, spec.num_agents - 1)
        foes = slice(spec.num_agents - 1, None)
        team = np.concatenate([np.zeros_like(own[..., None, 1:3]), positions[..., allies, :]], -2)
        team_health = np.concatenate([own[..., :1], health[..., allies]], axis=-1)
        team_kinds = np.concatenate([kind[..., None], kinds[..., allies]], axis=-1)
        enemies, seen = positions[..., foes, :], health[..., foes] > 0
        apart = np.linalg.norm(team[..., :, None, :] - enemies[..., None, :, :], axis=-1)
        both = (team_health > 0)[..., :, None] & seen[..., None, :]
        return cls(
            place=own[..., 1:3] * MAP_SIZE,
            own_health=own[..., 0],
            reload_seconds=own[..., 3] * _COOLDOWN[kind],
            team=team,
            team_alive=team_health > 0,
            team_health=team_health,
            team_ranges=_RANGE[team_kinds],
            enemies=enemies,
            enemy_seen=seen,
            enemy_health=health[..., foes] * _HEALTH[kinds[..., foes]],
            enemy_ranges=_RANGE[kinds[..., foes]],
            distances=np.where(both, apart, _UNSEEN),
        )
