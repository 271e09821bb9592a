"""What a model's uncertainty knows: of its errors, of odd actions, of other behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.store import Dataset
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.judging.accumulation import ACCUMULATIONS, accumulate
from logo_tf.world_model.judging.errors import state_error
from logo_tf.world_model.judging.foresight import Foresight, Windows, draw_windows
from logo_tf.world_model.judging.ranks import auc, spearman
from logo_tf.world_model.open_loop import remember
from logo_tf.world_model.protocol import WorldModel

_BINS = 20
_SHIFTS = (1, 2, 3)


def uncertainty_figures(
    seen: Foresight, scale: np.ndarray, horizons: Sequence[int]
) -> dict[str, Any]:
    """How signals rank the true error; a Spearman means nothing without the error beside it.

    Args:
      seen: what was foreseen.
      scale: (S,) as ``state_error``'s.
      horizons: the steps to report.
    """
    true = state_error(seen, scale)
    dims = scale > 0
    sigma = np.sqrt(np.mean(np.square(seen.predicted.state_std[..., dims] / scale[dims]), axis=-1))
    u = seen.predicted.uncertainty
    signals: dict[str, np.ndarray] = {name: accumulate(u, name) for name in ACCUMULATIONS}
    signals["sigma"] = sigma
    order = np.argsort(u[0], kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return {
        "uncertainty_spearman": spearman(u[0], true[0]),
        "uncertainty_spearman_by_step": {
            name: {
                str(k): spearman(signal[k - 1][rows], true[k - 1][rows])
                for k in horizons
                for rows in [seen.mask[k - 1] > 0]
            }
            for name, signal in signals.items()
        },
        "uncertainty_curve": {
            "uncertainty": [float(u[0][part].mean()) for part in parts],
            "error": [float(true[0][part].mean()) for part in parts],
        },
    }


def auc_other_actions(model: WorldModel, windows: Windows, seed: int) -> float | None:
    """How well u tells logged joint actions from others that could have been logged there.

    Where behaviour explored, the data know many of the others too, and u is right not to
    tell them.

    Args:
      model: any world model.
      windows: their first rows after the context are looked at.
      seed: fixes the other actions.

    Returns:
      The chance that u on (s, o, a') exceeds u on (s, o, a): a' is the joint action of
      another row where actions are continuous, and another legal joint action, each with
      equal chance, where they are discrete. None where nothing else could be done.
    """
    first = tf.nest.map_structure(lambda values: values[:, model.context], windows.batch)
    logged = np.asarray(first.actions)
    rng = seeds.generator(seed, "other")
    if model.spec.discrete:
        other = other_legal_actions(logged, first.legal_actions, model.spec, rng)
    else:
        other = np.roll(logged, 1, axis=0)  # rows are drawn in random order
    changed = np.any(other != logged, axis=tuple(range(1, logged.ndim)))
    known = _uncertainty(model, windows, logged)
    return auc(known[changed], _uncertainty(model, windows, other)[changed])


def auc_shifted_actions(
    model: WorldModel, windows: Windows, seed: int
) -> dict[str, float | None] | None:
    """How well u tells logged continuous joint actions from the same, moved away.

    Args:
      model: any world model.
      windows: their first rows after the context are looked at.
      seed: fixes which way each number of an action moves.

    Returns:
      By how many of its standard deviations each number moves, up or down, and beyond the
      scenario's bounds too: the chance that u is larger there. None for discrete actions.
    """
    if model.spec.discrete:
        return None
    logged = np.asarray(windows.batch.actions[:, model.context])
    signs = seeds.generator(seed, "shifted").choice(np.array([-1, 1], np.float32), logged.shape)
    away = signs * np.std(logged, axis=0)
    known = _uncertainty(model, windows, logged)
    return {str(by): auc(known, _uncertainty(model, windows, logged + by * away)) for by in _SHIFTS}


def auc_held_out_behaviour(
    model: WorldModel,
    dataset_in: Dataset,
    episodes: np.ndarray | None,
    dataset_out: Dataset,
    seed: int = 0,
    starts: int = 2000,
) -> float | None:
    """How well u tells held-out rows of the training's behaviour from those of another.

    Args:
      model: trained on other episodes of ``dataset_in``.
      dataset_in: what it knows.
      episodes: indices of episodes of it that were held out; None means all.
      dataset_out: collected by another behaviour in the same scenario.
      seed: fixes the rows.
      starts: how many rows of each.

    Returns:
      The chance that u on a row of ``dataset_out`` exceeds u on one of ``dataset_in``.

    Raises:
      LogoError: the datasets do not fit the model's scenario, or there is no episode.
    """
    sides = []
    for dataset, chosen in ((dataset_in, episodes), (dataset_out, None)):
        model.spec.require_fits(dataset.spec, "the world model", f"the dataset {dataset.path}")
        windows = draw_windows(dataset, chosen, 1, starts, seed, model.context)
        sides.append(_uncertainty(model, windows, windows.batch.actions[:, model.context]))
    return auc(*sides)


def other_legal_actions(
    logged: np.ndarray, legal: np.ndarray, spec: ScenarioSpec, rng: np.random.Generator
) -> np.ndarray:
    """Draw another legal joint action for each row, uniformly; the same where there is none.

    Args:
      logged: (B, N) int32 what was done.
      legal: (B, N, L) bool.
      spec: the scenario.
      rng: where the draws come from.
    """
    possible = legal & (spec.action_mask > 0)
    drawn = logged.copy()
    left = np.flatnonzero(np.any(possible.sum(axis=-1) > 1, axis=-1))
    while len(left):  # rejection keeps the draw uniform over all others
        noise = np.where(possible[left], rng.random(possible[left].shape), -1.0)
        drawn[left] = noise.argmax(axis=-1)
        left = left[np.all(drawn[left] == logged[left], axis=-1)]
    return drawn


def _uncertainty(model: WorldModel, windows: Windows, actions: np.ndarray) -> np.ndarray:
    """U (B,) of the first step after the context, if ``actions`` (B, N, ...) were taken."""
    context = model.context
    batch, mask = tf.nest.map_structure(tf.constant, (windows.batch, windows.mask))
    first = tf.nest.map_structure(lambda values: values[:, context], batch)
    memory = remember(model, batch, mask, context)
    step = model.step(
        first.state, first.observations, tf.constant(actions), first.agent_mask, memory
    )
    return np.asarray(step.uncertainty)
