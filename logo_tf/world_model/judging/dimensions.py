"""Which dimensions count: those that vary, are predicted, and cannot be written down exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logo_tf.data.standardisation import Standardisation
from logo_tf.data.store import Dataset
from logo_tf.specs import ScenarioSpec

# Below this residual, in standard deviations, a dimension says nothing about a model.
_EXACT = 1e-3
_ROWS = 8000
_RIDGE = 1e-8


class Dimensions(NamedTuple):
    """What counts, bool: state (S,), observations (N, O)."""

    state: np.ndarray
    observations: np.ndarray


def varying(units: Standardisation, spec: ScenarioSpec) -> Dimensions:
    """Dimensions that are predicted and vary in the dataset; errors are over these."""
    return Dimensions(
        state=(spec.predicted_state_mask > 0) & ~units.state_constant,
        observations=(spec.observation_mask > 0) & ~units.observation_constant,
    )


def uncertain(dataset: Dataset, units: Standardisation) -> Dimensions:
    """Of the varying dimensions, those that no straight line predicts exactly.

    A likelihood over exactly predictable dimensions measures how small a variance a model
    dares to give, and drowns the rest. So one step is regressed by ridge on every other
    row, s' on (s, a) and an agent's o' on its own (o, a), and dimensions whose residual on
    the rows between stays below 1e-3 standard deviations are left out. That depends on the
    dataset alone, not on a model or on the episodes it is judged by. What only a nonlinear
    rule predicts exactly stays in; and where nothing would be left, everything does.

    Args:
      dataset: all of its episodes are looked at, at most 8000 rows.
      units: of the dataset.
    """
    spec, candidates = dataset.spec, varying(units, dataset.spec)
    steps = dataset.transitions()
    rows = steps[np.linspace(0, len(steps) - 1, min(_ROWS, len(steps))).astype(np.int64)]
    actions = dataset.field("actions")[rows]
    encoded = np.eye(spec.action_dim)[actions] if spec.discrete else actions
    alive, alive_after = (dataset.field("agent_mask")[at] for at in (rows, rows + 1))
    now, after = (
        (dataset.field("state")[at] - units.state_mean) / units.state_std for at in (rows, rows + 1)
    )
    state = candidates.state & ~_exact(
        np.concatenate([now, encoded.reshape(len(rows), -1)], axis=1), after
    )
    observations = candidates.observations.copy()
    for agent in range(spec.num_agents):
        lived = alive[:, agent] & alive_after[:, agent]
        now, after = (
            (dataset.field("observations")[at[lived], agent] - units.observation_mean[agent])
            / units.observation_std[agent]
            for at in (rows, rows + 1)
        )
        observations[agent] &= ~_exact(np.concatenate([now, encoded[lived, agent]], axis=1), after)
    return Dimensions(
        state if state.any() else candidates.state,
        observations if observations.any() else candidates.observations,
    )


def _exact(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """(D,) bool: which outputs (M, D) are linear in inputs (M, F), judged on rows not fitted."""
    inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1).astype(np.float64)
    fitted, judged = (slice(start, None, 2) for start in (0, 1))
    if len(inputs[judged]) == 0:
        return np.zeros(outputs.shape[1], bool)
    known = inputs[fitted]
    gram = known.T @ known + _RIDGE * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(gram, known.T @ outputs[fitted])
    residual = outputs[judged] - inputs[judged] @ weights
    return np.asarray(np.sqrt(np.mean(np.square(residual), axis=0)) < _EXACT)
