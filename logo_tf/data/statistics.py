"""What a dataset holds, in figures: for ``logo-tf data inspect``, reports and models."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from logo_tf.data.coverage import StateCoverage, state_coverage
from logo_tf.data.duplicates import Duplicates, duplicates
from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.store import Dataset

__all__ = ["ActionUse", "Standardisation", "Statistics", "Summary", "standardisation", "statistics"]

# Within this share of its range an action counts as standing at a bound.
_AT_BOUND = 0.01
# A continuous action's range is cut into this many cells to see which were tried.
_CELLS = 20


@dataclasses.dataclass(frozen=True)
class Summary:
    """How numbers are spread; std is the population's."""

    mean: float
    std: float
    min: float
    lower_quartile: float
    median: float
    upper_quartile: float
    max: float

    @classmethod
    def of(cls, values: np.ndarray) -> Summary:
        """Summarise (M,) numbers, M >= 1."""
        values = np.asarray(values, np.float64)
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(
            mean=float(values.mean()),
            std=float(values.std()),
            min=float(values.min()),
            lower_quartile=float(low),
            median=float(middle),
            upper_quartile=float(high),
            max=float(values.max()),
        )


@dataclasses.dataclass(frozen=True)
class ActionUse:
    """What one agent's living steps did.

    Attributes:
      agent: its name.
      shares: discrete: share of its steps that took each action (A_i numbers).
      legal_shares: discrete: share of its steps in which each action was legal.
      means: continuous: mean of each action dimension (A_i numbers).
      stds: continuous: standard deviation of each.
      at_bounds: continuous: share of values within 1 % of a bound, of each.
      coverage: share of what it could do that was done at least once: of its
        actions that were ever legal, or of 20 equal cells a dimension.
    """

    agent: str
    shares: tuple[float, ...] = ()
    legal_shares: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    stds: tuple[float, ...] = ()
    at_bounds: tuple[float, ...] = ()
    coverage: float = 0.0


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
    """Compute every figure over the whole dataset; of states, ``state_coverage`` draws some."""
    spec = dataset.spec
    rows = dataset.transition_rows()
    rewards = np.asarray(dataset.field("rewards"))[rows]
    alive = np.asarray(dataset.field("agent_mask"))[rows]
    scale = standardisation(dataset)
    real = spec.observation_mask > 0
    uses = tuple(_use(dataset, rows, alive, agent) for agent in range(spec.num_agents))
    return Statistics(
        scenario=spec.name,
        episodes=dataset.num_episodes,
        transitions=dataset.num_transitions,
        terminated=float(dataset.terminated.mean()),
        returns=Summary.of(dataset.returns),
        lengths=Summary.of(dataset.lengths),
        won=None if dataset.won is None else float(dataset.won.mean()),
        rewards=Summary.of(rewards),
        rewarded=float(np.mean(rewards != 0)),
        rewarded_at_end=_at_end(rewards, dataset.lengths),
        actions=uses,
        joint_actions=_joint_actions(dataset, rows),
        legal_share=_legal_share(dataset, alive, uses),
        alive_share=float(alive.mean()),
        padding=_padding(dataset),
        coverage=state_coverage(dataset, scale),
        duplicates=duplicates(dataset),
        constant_state=int(scale.state_constant.sum()),
        constant_observation=int((scale.observation_constant & real).sum()),
    )


def _use(dataset: Dataset, rows: np.ndarray, alive: np.ndarray, agent: int) -> ActionUse:
    spec = dataset.spec
    name, width = spec.agents[agent], spec.action_dims[agent]
    steps = rows[alive[:, agent]]
    if not len(steps):
        return ActionUse(agent=name)
    actions = np.asarray(dataset.field("actions")[steps, agent])
    if spec.discrete:
        taken = np.bincount(actions, minlength=width)[:width]
        legal = dataset.field("legal_actions")[steps, agent, :width].mean(axis=0)
        return ActionUse(
            agent=name,
            shares=_floats(taken / len(steps)),
            legal_shares=_floats(legal),
            coverage=float(np.sum(taken > 0) / max(1, np.sum(legal > 0))),
        )
    actions = actions[:, :width].astype(np.float64)
    low = np.asarray(spec.action_low[agent][:width])
    high = np.asarray(spec.action_high[agent][:width])
    place = (actions - low) / np.where(high > low, high - low, 1.0)
    cells = np.clip((place * _CELLS).astype(int), 0, _CELLS - 1)
    tried = [len(np.unique(cells[:, dimension])) for dimension in range(width)]
    return ActionUse(
        agent=name,
        means=_floats(actions.mean(axis=0)),
        stds=_floats(actions.std(axis=0)),
        at_bounds=_floats(np.mean((place < _AT_BOUND) | (place > 1 - _AT_BOUND), axis=0)),
        coverage=float(np.mean(tried) / _CELLS),
    )


def _legal_share(dataset: Dataset, alive: np.ndarray, uses: tuple[ActionUse, ...]) -> float | None:
    spec = dataset.spec
    if not spec.discrete:
        return None
    steps = alive.sum(axis=0)
    legal = [count * sum(use.legal_shares) for count, use in zip(steps, uses, strict=True)]
    return float(np.sum(legal) / max(1, np.sum(steps * np.asarray(spec.action_dims))))


def _joint_actions(dataset: Dataset, rows: np.ndarray) -> int | None:
    if not dataset.spec.discrete:
        return None
    return len(np.unique(dataset.field("actions")[rows], axis=0))


def _at_end(rewards: np.ndarray, lengths: np.ndarray) -> float:
    sizes = np.abs(rewards, dtype=np.float64)
    return float(sizes[np.cumsum(lengths) - 1].sum() / (sizes.sum() or 1.0))


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


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
