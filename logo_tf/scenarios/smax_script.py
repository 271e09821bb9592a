"""A scripted SMAX team that every agent plays from its own observation."""

from __future__ import annotations

import numpy as np

from logo_tf.scenarios.smax_battles import STOP
from logo_tf.scenarios.smax_sight import DIRECTIONS, MAP_SIZE, STEP_SECONDS, Sight
from logo_tf.specs import ScenarioSpec

# Found by playing 8m and 5m_vs_6m, a few hundred battles each; returns are flat around them.
_PER_ATTACKER = 2.0  # health points that an enemy seems weaker for each ally in reach of it
_PER_UNIT = 0.1  # health points that an enemy seems stronger for each map unit to it
_LAG = 1.0  # map units that the last ally may be behind before the first ones wait
_WAIT_AT = 6.0  # map units from the front enemy where the line waits, beyond most ranges
_CLOSE, _ENOUGH = 5.5, 0.6  # all go in once this share of the team is this close to it
_HURT = 0.4  # share of full health below the healthiest ally's
_RELOADING = 0.6  # share of a step that the weapon must still need
_MELEE_MARGIN, _MELEE_RELOADING = 2.5, 0.3  # the same against enemies of shorter range
_EDGE = 3.0  # map units kept from the map's edge, which kills
_STRIDE = 2.1  # map units that the fastest unit moves in a step
_FAR = 1e6


class ScriptedPolicy:
    """A ``TeamPolicy`` for SMAX: focused fire in line, and steps back between two shots.

    An agent attacks whom most of its team can reach and who has least health left. With
    nobody in range it goes on, but waits for those behind it. While its weapon reloads it
    steps back if it is hurt worse than its allies, or from enemies of shorter range.
    With probability ``epsilon`` it draws a legal action instead, at every step anew.
    """

    def __init__(self, spec: ScenarioSpec, epsilon: float = 0.0) -> None:
        """Args: spec: of an SMAX scenario; epsilon: 0 plays the script, 1 at random."""
        self._spec = spec
        self._epsilon = epsilon

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions; agent n's depends on row n of both arrays alone.

        Args:
          observations: (B, N, O) float32.
          legal_actions: (B, N, A) bool.
          rng: the source of the random actions; the same numbers are drawn for any epsilon.

        Returns:
          (B, N) int32, legal.
        """
        sight = Sight.read(self._spec, observations)
        attackable = legal_actions[..., STOP + 1 :]
        in_range = np.any(attackable, axis=-1)
        target = np.argmin(np.where(attackable, _strength(sight), np.inf), axis=-1)
        actions = np.where(in_range, STOP + 1 + target, _approach(sight))
        actions = np.where(_withdraws(sight, in_range), _away(sight), actions)
        # Whatever the script thinks of, a dead agent can only stop.
        actions = np.where(sight.own_health > 0, actions, STOP)
        draws = rng.random((*actions.shape, legal_actions.shape[-1] + 1))
        free = np.argmax(np.where(legal_actions, draws[..., 1:], -1.0), axis=-1)
        return np.where(draws[..., 0] < self._epsilon, free, actions).astype(np.int32)


def _strength(sight: Sight) -> np.ndarray:
    """(B, N, E) health points of each enemy, less what speaks for attacking it."""
    attackers = (sight.distances < sight.team_ranges[..., None]).sum(axis=-2)
    return sight.enemy_health - _PER_ATTACKER * attackers + _PER_UNIT * sight.distances[..., 0, :]


def _approach(sight: Sight) -> np.ndarray:
    """(B, N) moves, or stop, of agents that have nobody in range."""
    # The front enemy is the one nearest to anybody of the team.
    front = np.argmin(sight.distances.min(axis=-2), axis=-1)
    away = np.take_along_axis(sight.distances, front[..., None, None], axis=-1)[..., 0]
    own, alive = away[..., 0], sight.team_alive
    last = np.max(np.where(alive, away, 0.0), axis=-1)
    joined = np.sum(alive & (away < _CLOSE), axis=-1) >= _ENOUGH * alive.sum(axis=-1)
    ahead = (own > _WAIT_AT) & (last - own <= _LAG)
    towards = np.take_along_axis(sight.enemies, front[..., None, None], axis=-2)[..., 0, :]
    closing = np.where(joined | ahead, _heading(sight, towards), STOP)
    # Before anybody is seen the team marches abreast to where the enemies begin.
    behind = -np.min(np.where(alive, sight.team[..., 0], 0.0), axis=-1)
    start = np.asarray([0.75 * MAP_SIZE, 0.5 * MAP_SIZE], np.float32)
    marching = np.where(behind > _LAG, STOP, _heading(sight, start - sight.place))
    return np.where(sight.enemy_seen.any(axis=-1), closing, marching)


def _withdraws(sight: Sight, in_range: np.ndarray) -> np.ndarray:
    """(B, N) bool, who steps back while its weapon reloads."""
    reloading = sight.reload_seconds / STEP_SECONDS
    best = np.max(np.where(sight.team_alive, sight.team_health, 0.0), axis=-1)
    hurt = in_range & (sight.own_health < best - _HURT) & (reloading > _RELOADING)
    mine = sight.distances[..., 0, :]
    shorter = sight.enemy_ranges < sight.team_ranges[..., :1]
    threatened = sight.enemy_seen & shorter & (mine < sight.enemy_ranges + _MELEE_MARGIN)
    return hurt | (threatened.any(axis=-1) & (reloading > _MELEE_RELOADING))


def _away(sight: Sight) -> np.ndarray:
    """(B, N) the move that leads away from all enemies in sight, the near ones most."""
    weight = sight.enemy_seen / np.maximum(sight.distances[..., 0, :], 0.5) ** 2
    return _heading(sight, -np.sum(sight.enemies * weight[..., None], axis=-2))


def _heading(sight: Sight, vector: np.ndarray) -> np.ndarray:
    """(B, N) the move nearest to a vector (B, N, 2) that does not lead to the map's edge."""
    there = sight.place[..., None, :] + _STRIDE * DIRECTIONS
    safe = np.all((there > _EDGE) & (there < MAP_SIZE - _EDGE), axis=-1)
    return np.argmax(np.where(safe, vector @ DIRECTIONS.T, -_FAR), axis=-1)
