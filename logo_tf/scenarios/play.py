"""Plays whole episodes with a policy, several scenario copies in step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.scenarios.protocol import (
    Centralised,
    Frame,
    Lockstep,
    Remembering,
    Scenario,
    TeamPolicy,
)
from logo_tf.scenarios.row_generator import RowGenerator
from logo_tf.shapes import check_shapes
from logo_tf.specs import ScenarioSpec


def play(
    scenarios: Sequence[Scenario],
    policy: TeamPolicy | Centralised,
    episodes: int,
    seed: int,
) -> Iterator[Episode]:
    """Play episodes and yield them in order.

    The K scenario copies take their steps together (in one call, where they are
    ``Lockstep``) and the policy is called once for all of them. Episode i starts from a
    scenario seed drawn from (seed, i), and row b of what the policy draws from its
    ``rng`` (see ``RowGenerator``) comes from a stream of that row's episode. So episode i
    is the same whatever K is and however many episodes are asked for, as long as the
    policy draws with a leading axis B and its answer for one row does not depend on the
    others. What a ``Remembering`` or ``Centralised`` policy remembers is kept with each
    episode; the latter is shown the whole frame.

    Args:
      scenarios: K copies of one scenario; they are reset, stepped and not closed.
      policy: chooses the joint actions.
      episodes: how many to play.
      seed: fixes every episode.

    Yields:
      Finished episodes, 0 to ``episodes`` - 1.

    Raises:
      LogoError: no scenario, copies of different scenarios, a negative count, or
        the policy returned actions of the wrong shape.
    """
    if not scenarios:
        raise LogoError("play needs at least one scenario copy")
    if episodes < 0:
        raise LogoError(f"play needs a count of episodes of at least 0, got {episodes}")
    spec = scenarios[0].spec
    for other in scenarios[1:]:
        spec.require_fits(other.spec, "the first scenario copy", "another copy")
    return _play(scenarios, spec, policy, episodes, seed)


def step_all(copies: Sequence[Scenario], actions: np.ndarray) -> list[Frame]:
    """Step K copies of one scenario, in one call where they are ``Lockstep``.

    Args:
      copies: K of them, at least one, each with a running episode.
      actions: (K, N) int32 or (K, N, A) float32.
    """
    if isinstance(copies[0], Lockstep):
        return copies[0].step_together(copies, actions)
    return [copy.step(action) for copy, action in zip(copies, actions, strict=True)]


def _play(
    scenarios: Sequence[Scenario],
    spec: ScenarioSpec,
    policy: TeamPolicy | Centralised,
    episodes: int,
    seed: int,
) -> Iterator[Episode]:
    free = list(scenarios)
    running: list[_Running] = []
    finished: dict[int, Episode] = {}
    begun = yielded = 0
    while yielded < episodes:
        while free and begun < episodes:
            running.append(_begin(free.pop(0), seed, begun))
            begun += 1
        actions = _choose(policy, running, spec).astype(spec.action_dtype, copy=False)
        check_shapes(
            {"the policy's actions": actions},
            {"the policy's actions": "BN" if spec.discrete else "BNA"},
            B=len(running),
            N=spec.num_agents,
            A=spec.action_dim,
        )
        frames = step_all([one.scenario for one in running], actions)
        for one, action, frame in zip(running, actions, frames, strict=True):
            one.actions.append(action)
            one.frames.append(frame)
        for one in [one for one in running if one.done]:
            running.remove(one)
            free.append(one.scenario)
            finished[one.index] = one.episode(spec)
        while yielded in finished:
            yield finished.pop(yielded)
            yielded += 1


@dataclasses.dataclass(eq=False)
class _Running:
    """An episode that is being played on one scenario copy."""

    index: int
    scenario: Scenario
    rng: np.random.Generator
    frames: list[Frame]
    memory: np.ndarray | None = None
    actions: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.frames[-1].terminated or self.frames[-1].truncated

    def episode(self, spec: ScenarioSpec) -> Episode:
        actions = np.stack(self.actions)
        if not spec.discrete:
            # What the scenario really did, and zero where an agent has no such joint.
            actions = np.clip(actions, spec.action_low, spec.action_high)
        return Episode(
            observations=np.stack([frame.observations for frame in self.frames]),
            state=np.stack([frame.state for frame in self.frames]),
            actions=actions.astype(spec.action_dtype),
            rewards=np.asarray([frame.reward for frame in self.frames[1:]], np.float32),
            legal_actions=np.stack([frame.legal_actions for frame in self.frames]),
            agent_mask=np.stack([frame.agent_mask for frame in self.frames]),
            terminated=self.frames[-1].terminated,
        )


def _choose(
    policy: TeamPolicy | Centralised, running: list[_Running], spec: ScenarioSpec
) -> np.ndarray:
    """(K, ...) the joint actions of all running episodes, in one call."""
    now = zip(*(one.frames[-1] for one in running), strict=True)
    fields: list[Any] = [np.stack(field) for field in now]
    frames = Frame(*fields)
    rng = RowGenerator([one.rng for one in running])
    if not isinstance(policy, Remembering | Centralised):
        return np.asarray(policy.act(frames.observations, frames.legal_actions, rng))
    nothing = np.zeros((spec.num_agents, policy.memory_dim), np.float32)
    memory = np.stack([nothing if one.memory is None else one.memory for one in running])
    if isinstance(policy, Centralised):
        actions, memory = policy.plan_on(frames, memory, rng)
    else:
        actions, memory = policy.act_on(frames.observations, frames.legal_actions, memory, rng)
    for one, remembered in zip(running, memory, strict=True):
        one.memory = remembered
    return np.asarray(actions)


def _begin(scenario: Scenario, seed: int, index: int) -> _Running:
    scenario_seed, policy_seed = np.random.SeedSequence([seed, index]).spawn(2)
    return _Running(
        index=index,
        scenario=scenario,
        rng=np.random.default_rng(policy_seed),
        frames=[scenario.reset(int(scenario_seed.generate_state(1)[0]))],
    )
