"""What a world model foresaw of logged windows, beside what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions
from logo_tf.world_model.open_loop import open_loop_graph
from logo_tf.world_model.protocol import Prediction, WorldModel

# Numbers of one field of all windows together: figures hold some ten such fields at once.
_MOST_NUMBERS = 2**25
# Transitions that are put in order to draw some of them: 128 MiB.
_MOST_SHUFFLED = 2**24


class Windows(NamedTuple):
    """Windows of logged rows, NumPy arrays.

    batch: (B, C + T, ...) rows, of which the first C are context; mask: (B, C + T) float32,
    0 outside the episode; episodes: (B,) int64, where each window was taken from.
    """

    batch: Transitions
    mask: np.ndarray
    episodes: np.ndarray


class Foresight(NamedTuple):
    """T open-loop predictions of B windows, time first, NumPy arrays in raw units.

    predicted, true: fields lead with (T, B); mask: (T, B) float32, 0 after an episode's
    end; episodes: (B,) int64.
    """

    predicted: Prediction
    true: Transitions
    mask: np.ndarray
    episodes: np.ndarray


def draw_windows(
    dataset: Dataset,
    episodes: np.ndarray | None,
    length: int,
    count: int,
    seed: int,
    context: int = 0,
) -> Windows:
    """Draw windows that begin at different transitions, each with equal chance.

    Training draws with replacement and needs no names; figures and quantiles need every
    row once, and to know which rows belong to one episode.

    Args:
      dataset: where the episodes are.
      episodes: their indices; None means all.
      length: T.
      count: B at most; less where the episodes have fewer transitions, or where many
        agents see so much that the windows would not fit in memory.
      seed: fixes the draw.
      context: C, how many rows before its beginning a window also shows.

    Raises:
      LogoError: no episode, or an index out of range.
    """
    starts = dataset.transitions(episodes)
    rng = seeds.generator(seed, "starts")
    spec = dataset.spec
    wide = length * spec.num_agents * max(spec.observation_dim, 1)
    count = min(count, len(starts), max(_MOST_NUMBERS // wide, 1))
    # The same windows for every context, and a smaller draw is the beginning of a larger one.
    first = starts[_some_of(len(starts), count, rng)]
    episode = np.searchsorted(dataset.first_rows, first, side="right") - 1
    begin = dataset.first_rows[episode][:, None]
    end = begin + dataset.lengths[episode][:, None]
    rows = first[:, None] + np.arange(-context, length)
    inside = (rows >= begin) & (rows < end)
    rows = np.clip(rows, begin, end - 1)
    terminal = inside & (rows == end - 1) & dataset.terminated[episode][:, None]

    def at(name: str, rows: np.ndarray) -> np.ndarray:
        values = dataset.field(name)[rows]
        shown = inside.reshape(inside.shape + (1,) * (values.ndim - 2))
        if values.dtype == bool and name == "legal_actions":
            return values | ~shown
        kept = np.where(shown, values, np.zeros((), values.dtype))
        return kept.astype(np.float32) if kept.dtype == bool else kept

    batch = Transitions(
        observations=at("observations", rows),
        state=at("state", rows),
        actions=at("actions", rows),
        rewards=at("rewards", rows),
        next_observations=at("observations", rows + 1),
        next_state=at("state", rows + 1),
        terminals=terminal.astype(np.float32),
        legal_actions=at("legal_actions", rows),
        next_legal_actions=at("legal_actions", rows + 1),
        agent_mask=at("agent_mask", rows),
        next_agent_mask=at("agent_mask", rows + 1),
    )
    return Windows(batch, inside.astype(np.float32), episode)


def _some_of(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) different numbers below ``total``: the beginning of a random order of all."""
    if total <= _MOST_SHUFFLED:
        return rng.permutation(total)[:count]
    # The same shuffle from its other end, which is done when ``count`` numbers are drawn.
    moved: dict[int, int] = {}
    drawn = []
    for place, other in enumerate(rng.integers(np.arange(count), total).tolist()):
        drawn.append(moved.get(other, other))
        moved[other] = moved.get(place, place)
    return np.array(drawn)


def foresee(model: WorldModel, windows: Windows) -> Foresight:
    """Predict windows open loop, from their first row after the context, in one graph call.

    Args:
      model: any world model.
      windows: drawn with the model's ``context``.
    """
    context = model.context
    predicted = open_loop_graph(model)(
        *tf.nest.map_structure(tf.constant, (windows.batch, windows.mask))
    )

    def time_first(values: np.ndarray) -> Any:
        return np.moveaxis(values[:, context:], 0, 1)

    return Foresight(
        predicted=tf.nest.map_structure(np.asarray, predicted),
        true=tf.nest.map_structure(time_first, windows.batch),
        mask=time_first(windows.mask),
        episodes=windows.episodes,
    )
