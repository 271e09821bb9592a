"""SMAX: JaxMARL's StarCraft-like battles against a scripted enemy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.scenarios.protocol import Frame
from logo_tf.scenarios.smax_battles import LANES, STOP, Battle, Shown, battles
from logo_tf.scenarios.smax_picture import picture
from logo_tf.specs import ScenarioSpec

# SMAX adds 1 to the reward of the step that wins; harm alone cannot reach it, for it is the
# share of the enemies' health that one step takes.
_WIN_REWARD = 1.0


class Smax:
    """A ``Scenario`` over JaxMARL's SMAX with its built-in enemy (``HeuristicEnemySMAX``).

    The team's reward is what SMAX hands every ally: the share of the enemies' full
    health that the step took, plus 1 in the step that wins. A flawless win returns 2.
    Who touches the map's edge dies.

    An agent observes the units in its sight: first its allies, then all enemies, then
    itself. Whoever is out of sight or dead is zero, and so is all that a dead agent
    observes. Its one legal action is then SMAX's stop, which living agents may take
    too: ``noop_action``. Attacks are legal on living enemies within range.

    The global state is SMAX's world state, with the cooldown of weapons that are ready
    at zero. It does not hold the last joint action.

    A battle ends when a team is wiped out (terminated) or at the time limit (truncated).
    """

    lanes = LANES

    def __init__(self, name: str) -> None:
        """Build the scenario; copies share one compiled map.

        Args:
          name: such as ``smax/5m_vs_6m``; the map is one of SMAX's.

        Raises:
          LogoError: the name does not fit, the extra ``smax`` is not installed, or
            SMAX has no such map.
        """
        family, _, map_name = name.partition("/")
        if family != "smax" or not map_name:
            raise LogoError(f"scenario {name!r} is not of the form smax/MAP; write it like smax/3m")
        self._battles = battles(name, map_name)
        self._spec = ScenarioSpec(
            name=name,
            environment=f"SMAX {map_name} ({self._battles.versions})",
            agents=self._battles.agents,
            observation_dims=(self._battles.observation_dim,) * len(self._battles.agents),
            state_dim=self._battles.state_dim,
            action_kind="discrete",
            action_dims=(self._battles.actions,) * len(self._battles.agents),
            episode_limit=self._battles.episode_limit,
            noop_action=STOP,
            win_reward=_WIN_REWARD,
        )
        self._rng = np.random.default_rng()
        self._battle: Battle | None = None
        self._legal = np.zeros((self._spec.num_agents, self._spec.action_dim), bool)
        self._running = False

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario's spec."""
        return self._spec

    def reset(self, seed: int | None = None) -> Frame:
        """Begin a battle; the same seed begins the same one, and fixes its course.

        Args:
          seed: at least 0; None draws on from the generator that the last seed began.

        Raises:
          LogoError: a negative seed.
        """
        if seed is None:
            seed = int(self._rng.integers(2**32))
        elif seed < 0:
            raise LogoError(f"{self._spec.name}: a seed must be at least 0, got {seed}")
        else:
            self._rng = np.random.default_rng(seed)
        battle, shown = self._battles.begin(seed)
        return self._take(battle, shown, 0)

    def step(self, actions: np.ndarray) -> Frame:
        """Apply a joint action.

        Args:
          actions: (N,) int32, each one legal.

        Raises:
          LogoError: no battle is running, the shape is wrong, or an action is illegal.
        """
        after, shown = self._battles.advance(self._ready(actions), np.asarray(actions))
        return self._take(after, shown, 0)

    @staticmethod
    def step_together(copies: Sequence[Smax], actions: np.ndarray) -> list[Frame]:
        """Step K copies of one map in one call, as if each had taken ``step`` itself.

        Args:
          copies: K of them, each with a running battle.
          actions: (K, N) int32.

        Raises:
          LogoError: as ``step``.
        """
        ready = [copy._ready(row) for copy, row in zip(copies, actions, strict=True)]
        after, shown = copies[0]._battles.advance_all(ready, np.asarray(actions))
        return [copy._take(after[lane], shown, lane) for lane, copy in enumerate(copies)]

    def render(self) -> np.ndarray:
        """Return the current picture, (height, width, 3) uint8: allies blue, enemies red.

        Raises:
          LogoError: there was no reset yet.
        """
        if self._battle is None:
            raise LogoError(f"{self._spec.name}: nothing to render before the first reset")
        return picture(self._battles.units(self._battle), self._battles.map_size)

    def close(self) -> None:
        """Free the battle; the compiled map stays for the next copy."""
        self._running = False
        self._battle = None

    def _ready(self, actions: np.ndarray) -> Battle:
        """The running battle, if these actions may be taken in it."""
        spec = self._spec
        if self._battle is None or not self._running:
            raise LogoError(
                f"{spec.name}: step without a running battle; call reset first "
                "and after every end of an episode"
            )
        actions = np.asarray(actions)
        if actions.shape != spec.action_shape or actions.dtype.kind not in "iu":
            raise LogoError(
                f"{spec.name}: actions have shape {actions.shape} of {actions.dtype}, "
                f"expected (N,) = {spec.action_shape} of int32"
            )
        for agent, action in enumerate(actions.tolist()):
            if not 0 <= action < spec.action_dim or not self._legal[agent, action]:
                legal = np.flatnonzero(self._legal[agent]).tolist()
                raise LogoError(
                    f"{spec.name}: action {action} of agent {agent} is illegal; "
                    f"legal are {', '.join(map(str, legal))}"
                )
        return self._battle

    def _take(self, battle: Battle, shown: Shown, lane: int) -> Frame:
        self._battle = battle
        self._legal = shown.legal_actions[lane]
        terminated, truncated = bool(shown.terminated[lane]), bool(shown.truncated[lane])
        self._running = not (terminated or truncated)
        return Frame(
            observations=shown.observations[lane],
            state=shown.state[lane],
            legal_actions=self._legal,
            agent_mask=shown.alive[lane],
            reward=float(shown.rewards[lane]),
            terminated=terminated,
            truncated=truncated,
        )
