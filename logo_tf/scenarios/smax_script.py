"""A scripted SMAX team: focused fire, and steps out of reach between two shots."""

from __future__ import annotations

import dataclasses

import numpy as np

from logo_tf.scenarios.smax_battles import STOP
from logo_tf.specs import ScenarioSpec

# Of JaxMARL 0.2.0's unit types: marine, marauder, stalker, zealot, zergling, hydralisk.
_SIGHT = np.asarray([9.0, 10.0, 10.0, 9.0, 8.0, 9.0], np.float32)  # map units
_RANGE = np.asarray([5.0, 6.0, 6.0, 2.0, 2.0, 5.0], np.float32)  # map units
_HEALTH = np.asarray([45.0, 125.0, 160.0, 150.0, 35.0, 80.0], np.float32)
_COOLDOWN = np.asarray([0.61, 1.07, 1.87, 0.86, 0.5, 0.59], np.float32)  # seconds
_MAP = 32.0  # map units a side
_STEP = 0.5  # seconds a step
_UNIT, _OWN = 13, 10  # features of another unit, and of oneself
_MOVES = np.asarray([(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)], np.float32)
_EDGE = 3.0  # map units kept from the edge, which kills; a step covers up to 2.1


@dataclasses.dataclass(frozen=True)
class Tactics:
    distance: float = 0.0
    index: float = 0.0
    retreat_below: float = 0.0
    retreat_outnumbered: bool = False
    kite: float = 9.0
    advance: bool = True
    hold: bool = False
    free: str = "none"


class ScriptedPolicy:
    def __init__(self, spec: ScenarioSpec, tactics: Tactics = Tactics(), epsilon: float = 0.0) -> None:
        self._spec = spec
        self._enemies = spec.action_dim - len(_MOVES) - 1
        self.t = tactics
        self._epsilon = epsilon

    def act(self, observations, legal_actions, rng):
        t = self.t
        own = observations[..., -_OWN:]
        kind = np.argmax(own[..., 4:], axis=-1)
        others = observations[..., :-_OWN].reshape(*observations.shape[:2], -1, _UNIT)
        sight = _SIGHT[kind][..., None]
        place = own[..., 1:3] * _MAP
        enemies = others[..., -self._enemies :, :]
        allies = others[..., : -self._enemies, :]
        away = enemies[..., 1:3] * sight[..., None]
        distance = np.linalg.norm(away, axis=-1)
        visible = enemies[..., 0] > 0
        ekind = np.argmax(enemies[..., 7:], axis=-1)
        health = enemies[..., 0] * _HEALTH[ekind]
        attackable = legal_actions[..., len(_MOVES) + 1 :]
        score = health + t.distance * distance + t.index * np.arange(self._enemies)
        target = np.argmin(np.where(attackable, score, np.inf), axis=-1)
        nearest = np.argmin(np.where(visible, distance, np.inf), axis=-1)
        ndist = np.take_along_axis(distance, nearest[..., None], -1)[..., 0]
        ndist = np.where(visible.any(-1), ndist, np.inf)
        nvec = np.take_along_axis(away, nearest[..., None, None], -2)[..., 0, :]
        # moving
        home = np.asarray([_MAP * 0.75, _MAP / 2], np.float32)
        goal = np.where(visible.any(-1)[..., None], nvec, home - place)
        inside = (place[..., None, :] + _MOVES * 2.1 > _EDGE) & (place[..., None, :] + _MOVES * 2.1 < _MAP - _EDGE)
        safe = inside.all(-1)
        def heading(v):
            return np.argmax(np.where(safe, v @ _MOVES.T, -np.inf), -1)
        forward = heading(goal)
        threat = (away * visible[..., None] / np.maximum(distance, .5)[..., None] ** 2).sum(-2)
        back = heading(-threat)
        can = attackable.any(-1)
        action = np.where(can, target + len(_MOVES) + 1, forward)
        if t.hold:
            action = np.where(~can & ~visible.any(-1), STOP, action)
        if not t.advance:
            action = np.where(~can & visible.any(-1), STOP, action)
        waits = own[..., 3] * _COOLDOWN[kind] > _STEP * t.kite
        myrange = _RANGE[kind]
        nkind = np.take_along_axis(ekind, nearest[..., None], -1)[..., 0]
        outranged = _RANGE[nkind] < myrange
        danger = ndist < _RANGE[nkind] + 2.0
        if t.free in ("back", "both"):
            action = np.where(waits & visible.any(-1) & outranged & danger, back, action)
        if t.free in ("fwd", "both"):
            action = np.where(waits & visible.any(-1) & ~outranged & (ndist > 2), forward, action)
        if t.retreat_below:
            afore = allies[..., 0] * 1.0
            adist_to_enemy = np.linalg.norm(allies[..., 1:3] * sight[..., None] - nvec[..., None, :], axis=-1)
            support = (afore > own[..., :1] ) .any(-1)
            hurt = own[..., 0] < t.retreat_below
            action = np.where(hurt & support & (ndist < _RANGE[nkind] + 1.0) & visible.any(-1), back, action)
        action = np.where(own[..., 0] > 0, action, STOP)
        if self._epsilon:
            draws = np.where(legal_actions, rng.random(legal_actions.shape), -1)
            action = np.where(rng.random(action.shape) < self._epsilon, np.argmax(draws, -1), action)
        return action.astype(np.int32)
