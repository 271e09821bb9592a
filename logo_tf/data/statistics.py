"""What a dataset holds, in figures: for ``logo-tf data inspect``, reports and models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from logo_tf.data.action_use import ActionUse, use_tally
from logo_tf.data.coverage import StateCoverage, state_coverage
from logo_tf.data.distinct import Distinct, row_hashes
from logo_tf.data.duplicates import Duplicates, DuplicateTally
from logo_tf.data.rewards import RewardTally
from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.steps import steps_of
from logo_tf.data.store import Dataset
from logo_tf.data.summary import Summary
from logo_tf.metrics import progress
from logo_tf.specs import ScenarioSpec

__all__ = ["ActionUse", "Standardisation", "Statistics", "Summary", "standardisation", "statistics"]


@dataclasses.dataclass(frozen=True)
class Padding:
    """What one agent lacks of the widest: columns that are zero and masked.

    Attributes:
      agent: its name.
      observations: how many of the O columns are not its own.
      actions: how many of the A columns, or choices, it does not have.
      cut: field -> how many columns of minus infinity its import took for padding.
    """

    agent: str
    observations: int
    actions: int
    cut: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """A dataset in figures.

    Attributes:
      scenario: its name.
      episodes: how many.
      transitions: how many, bootstrap rows not counted.
      terminated: share of episodes that the scenario ended; the rest met the limit.
      returns: undiscounted sums of rewards, one an episode.
      lengths: transitions an episode.
      won: share of episodes won, None where the scenario has no winning reward.
      rewards: of one step.
      rewarded: share of steps with a reward other than 0.
      rewarded_at_end: share of all rewards, by size, that episodes' last steps brought.
      actions: one for each agent.
      joint_actions: discrete: how many different joint actions were taken, else None.
      legal_share: share of existing actions that were legal, over living agents'
        steps; None for continuous actions.
      alive_share: share of agents alive, over all steps.
      padding: agents narrower than the widest; none where all are alike.
      coverage: of the states.
      duplicates: what is there more than once.
      constant_state: state dimensions that never change.
      constant_observation: real observation dimensions that never change, all agents.
    """

    scenario: str
    episodes: int
    transitions: int
    terminated: float
    returns: Summary
    lengths: Summary
    won: float | None
    rewards: Summary
    rewarded: float
    rewarded_at_end: float
    actions: tuple[ActionUse, ...]
    joint_actions: int | None
    legal_share: float | None
    alive_share: float
    padding: tuple[Padding, ...]
    coverage: StateCoverage
    duplicates: Duplicates
    constant_state: int
    constant_observation: int

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        data = dataclasses.asdict(self)
        for use in data["actions"]:
            use.update({k: list(v) for k, v in use.items() if isinstance(v, tuple)})
        return {**data, "actions": list(data["actions"]), "padding": list(data["padding"])}


def statistics(dataset: Dataset) -> Statistics:
    """Compute every figure over the whole dataset, in memory that does not grow with it.

    What is kept is a block of steps and some numbers an episode. Figures have no error but
    rounding, with three exceptions, in datasets larger than what they hold: ``coverage``
    draws 50,000 states, and ``duplicates`` and ``joint_actions`` count up to 2,097,152
    different ones and estimate more (standard error 0.07 % of their number).
    """
    spec = dataset.spec
    scale = standardisation(dataset)
    tallies = _Tallies(dataset)
    uses = tuple(use.result() for use in tallies.uses)
    real = spec.observation_mask > 0
    return Statistics(
        scenario=spec.name,
        episodes=dataset.num_episodes,
        transitions=dataset.num_transitions,
        terminated=float(dataset.terminated.mean()),
        returns=Summary.of(dataset.returns),
        lengths=Summary.of(dataset.lengths),
        won=None if dataset.won is None else float(dataset.won.mean()),
        rewards=tallies.rewards.result(),
        rewarded=tallies.rewards.rewarded,
        rewarded_at_end=tallies.rewards.at_end,
        actions=uses,
        joint_actions=tallies.joint.count if spec.discrete else None,
        legal_share=_legal_share(spec, tallies.alive, uses),
        alive_share=float(tallies.alive.sum() / (dataset.num_transitions * spec.num_agents)),
        padding=_padding(dataset),
        coverage=state_coverage(dataset, scale),
        duplicates=tallies.repeats.result(),
        constant_state=int(scale.state_constant.sum()),
        constant_observation=int((scale.observation_constant & real).sum()),
    )


class _Tallies:
    """What all steps add up to.

    Attributes:
      rewards: of steps.
      uses: one for each agent.
      repeats: among steps and episodes.
      joint: actions of all agents together, where they are discrete.
      alive: (N,) int64, in how many steps each agent was alive.
    """

    def __init__(self, dataset: Dataset) -> None:
        """Read all steps twice; a bar shows how far that is."""
        spec = dataset.spec
        self.rewards, self.repeats, self.joint = RewardTally(), DuplicateTally(), Distinct()
        self.uses = [use_tally(spec, agent) for agent in range(spec.num_agents)]
        self.alive = np.zeros(spec.num_agents, np.int64)
        bar = progress(f"inspect {dataset.path.name}", 2 * dataset.num_transitions, unit="step")
        try:
            self._read(dataset, bar.update)
        finally:
            bar.close()

    def _read(self, dataset: Dataset, advance: Callable[[int], None]) -> None:
        acted = ("rewards", "actions", "agent_mask")
        for steps in steps_of(dataset, (*acted, "state", "legal_actions")):
            self.rewards.add(steps)
            self.repeats.add(steps)
            self.alive += steps.fields["agent_mask"].sum(axis=0)
            if dataset.spec.discrete:
                self.joint.add(row_hashes(steps.fields["actions"]))
            for use in self.uses:
                use.add(steps.fields)
            advance(len(steps.fields["rewards"]))
        for steps in steps_of(dataset, acted):
            self.rewards.add_again(steps)
            for use in self.uses:
                use.add_again(steps.fields)
            advance(len(steps.fields["rewards"]))


def _legal_share(
    spec: ScenarioSpec, alive: np.ndarray, uses: tuple[ActionUse, ...]
) -> float | None:
    if not spec.discrete:
        return None
    legal = [count * sum(use.legal_shares) for count, use in zip(alive, uses, strict=True)]
    return float(np.sum(legal) / max(1, np.sum(alive * np.asarray(spec.action_dims))))


def _padding(dataset: Dataset) -> tuple[Padding, ...]:
    spec = dataset.spec
    cut = dataset.manifest.provenance.get("inferred", {}).get("cut_as_padding", {})
    every = (
        Padding(
            agent=name,
            observations=spec.observation_dim - spec.observation_dims[agent],
            actions=spec.action_dim - spec.action_dims[agent],
            # An import counts agents, for it may find no names.
            cut={field: n[f"agent {agent}"] for field, n in cut.items() if f"agent {agent}" in n},
        )
        for agent, name in enumerate(spec.agents)
    )
    return tuple(one for one in every if one.observations or one.actions or one.cut)
