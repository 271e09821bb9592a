"""What a dataset holds, in figures: for ``logo-tf data inspect``, reports and models."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

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
      actions: one for each agent.
      legal_share: share of existing actions that were legal, over living agents'
        steps; None for continuous actions.
      alive_share: share of agents alive, over all steps.
      duplicates: share of transitions whose (state, joint action) came before.
      first_states: how many different states episodes begin in.
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
    actions: tuple[ActionUse, ...]
    legal_share: float | None
    alive_share: float
    duplicates: float
    first_states: int
    constant_state: int
    constant_observation: int

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        data = dataclasses.asdict(self)
        for use in data["actions"]:
            use.update({k: list(v) for k, v in use.items() if isinstance(v, tuple)})
        return {**data, "actions": list(data["actions"])}


def statistics(dataset: Dataset) -> Statistics:
    """Compute every figure over the whole dataset."""
    spec = dataset.spec
    rows = dataset.transition_rows()
    rewards = np.asarray(dataset.field("rewards"))[rows]
    alive = np.asarray(dataset.field("agent_mask"))[rows]
    scale = standardisation(dataset)
    real = spec.observation_mask > 0
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
        actions=tuple(_use(dataset, rows, alive, agent) for agent in range(spec.num_agents)),
        legal_share=_legal_share(dataset, rows, alive),
        alive_share=float(alive.mean()),
        duplicates=_duplicates(dataset, rows),
        first_states=_distinct(dataset.field("state")[dataset.first_rows]),
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


def _legal_share(dataset: Dataset, rows: np.ndarray, alive: np.ndarray) -> float | None:
    spec = dataset.spec
    if not spec.discrete:
        return None
    legal = np.asarray(dataset.field("legal_actions"))[rows][alive]
    exists = np.broadcast_to(spec.action_mask > 0, (*alive.shape, spec.action_dim))[alive]
    return float(legal.sum() / max(1, exists.sum()))


def _duplicates(dataset: Dataset, rows: np.ndarray) -> float:
    state = np.asarray(dataset.field("state"))[rows]
    actions = np.asarray(dataset.field("actions"))[rows].reshape(len(rows), -1)
    joined = np.concatenate([state, actions.astype(np.float32)], axis=1)
    return 1.0 - _distinct(joined) / len(rows)


def _distinct(values: np.ndarray) -> int:
    """How many of the (M, D) rows differ, compared byte for byte (0 and -0 as one)."""
    whole = np.ascontiguousarray(values + np.float32(0.0))
    return len(np.unique(whole.view(np.dtype((np.void, whole.itemsize * whole.shape[1])))))


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
