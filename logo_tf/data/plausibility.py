"""Whether a dataset's values could be a scenario's, whose shapes are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from logo_tf import seeds
from logo_tf.data.check import Check, verdict
from logo_tf.data.rows import RowIndex
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset
from logo_tf.data.sums import Sums
from logo_tf.episodes import Episode
from logo_tf.metrics import progress
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Scenario
from logo_tf.scenarios.random_policy import RandomPolicy

# How often the scenario is begun: so many draws span most of what a reset can be.
_RESETS = 64
# First values may lie this share of the resets' range outside of it, for rare draws, and in
# this share of all episodes further out.
_ROOM = 0.5
_STRAY = 0.05
# Ranges narrower than this, relative to their size, are float32 noise.
_NOISE = 1e-3
# The best policy's rewards may exceed the random one's by far, but not by so much.
_MAGNITUDES = 100.0


def plausible(dataset: Dataset, scenario: Scenario, episodes: int, seed: int) -> Iterator[Check]:
    """Compare a dataset's values with those of a scenario that is played at random.

    How episodes begin does not depend on who acts, so first states, observations and
    legal actions must lie where the scenario's resets do. Rewards do depend on it: their
    ranges must overlap, and their size be of the same order.

    Args:
      dataset: of the scenario's shapes.
      scenario: it is reset, stepped and not closed.
      episodes: how many to play, at least one.
      seed: fixes what is played.

    Raises:
      LogoError: the scenario cannot be played.
    """
    spec = scenario.spec
    frames = [scenario.reset(seeds.derive(seed, "fit", i)) for i in range(_RESETS)]
    names = [f"dimension {i}" for i in range(spec.state_dim)]
    states = np.stack([frame.state for frame in frames])
    yield _begins("first states", names, _first(dataset, "state"), states)
    seen = np.stack([frame.observations for frame in frames])
    real = spec.observation_mask > 0
    names = [f"{spec.agents[agent]}, dimension {i}" for agent, i in np.argwhere(real)]
    ours = (values[:, real] for values in _first(dataset, "observations"))
    yield _begins("first observations", names, ours, seen[:, real])
    if spec.discrete:
        legal = np.stack([frame.legal_actions for frame in frames])
        yield _first_legal(dataset, legal)
    played = _played(scenario, episodes, seed)
    yield _ends(dataset, played)
    scale = standardisation(dataset)
    theirs = np.concatenate([episode.rewards for episode in played])
    yield _rewards((scale.reward_min, scale.reward_max), (float(theirs.min()), float(theirs.max())))


def _played(scenario: Scenario, episodes: int, seed: int) -> list[Episode]:
    bar = progress("play at random", episodes, unit="episode")
    found = []
    try:
        for episode in play(
            [scenario], RandomPolicy(scenario.spec), episodes, seeds.derive(seed, "fit")
        ):
            found.append(episode)
            bar.update()
    finally:
        bar.close()
    return found


def _first(dataset: Dataset, field: str) -> Iterator[np.ndarray]:
    """A field in the first rows of all episodes, some at a time."""
    index = RowIndex(dataset.first_rows, np.ones_like(dataset.first_rows))
    for _, found in dataset.rows.blocks(index, (field,)):
        yield found[field]


def _begins(name: str, names: list[str], ours: Iterable[np.ndarray], theirs: np.ndarray) -> Check:
    """Compare (E, D) values of the dataset's first rows with (K, D) of the resets."""
    low, high = theirs.min(axis=0), theirs.max(axis=0)
    room = _ROOM * (high - low) + _NOISE * np.maximum(1.0, np.abs(theirs).max(axis=0))
    found, beyond = Sums(len(names)), np.zeros(len(names), np.int64)
    for values in ours:
        found.add(values)
        beyond += np.sum((values < low - room) | (values > high + room), axis=0)
    outside = beyond / found.count
    odd = np.flatnonzero(outside > _STRAY)
    if not len(odd):
        here = f"{len(names)} of {len(names)} dimensions as in the scenario"
        return Check(name, "fits", here, f"{_RESETS} resets")
    worst = odd[np.argmax(outside[odd])]
    where = f"{len(odd)} of {len(names)} dimensions elsewhere; {names[worst]}: "
    here, there = (
        _range(low[worst], high[worst]) for low, high in ((found.low, found.high), (low, high))
    )
    return Check(name, "does not fit", where + here, there)


def _first_legal(dataset: Dataset, theirs: np.ndarray) -> Check:
    """Look for actions that are always legal as episodes begin in one, and never in the other."""
    spec = dataset.spec
    ours = sum(legal.sum(axis=0) for legal in _first(dataset, "legal_actions"))
    shares = [ours / dataset.num_episodes, np.mean(theirs, axis=0)]
    odd = np.argwhere(np.abs(shares[0] - shares[1]) == 1.0)
    if not len(odd):
        exist = np.sum(spec.action_dims)
        said = [f"{100 * share.sum() / exist:.0f} % legal" for share in shares]
        return Check("first legal actions", "fits", *said)
    agent, action = odd[0]
    said = ["always" if share[agent, action] else "never" for share in shares]
    what = f"{spec.agents[agent]}, action {action}: {said[0]} legal"
    more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    return Check("first legal actions", "does not fit", what + more, f"{said[1]} legal")


def _ends(dataset: Dataset, played: list[Episode]) -> Check:
    """Good teams may avoid the end that a random one runs into, or reach one it cannot."""
    lengths, ended = [one.length for one in played], sum(one.terminated for one in played)
    ours = f"{100 * dataset.terminated.mean():.4g} % ended by the scenario"
    theirs = f"{ended} of {len(played)} at random, {min(lengths)} to {max(lengths)} steps"
    alike = bool(dataset.terminated.any()) == bool(ended)
    return Check("ends of episodes", "fits" if alike else "cannot tell", ours, theirs)


def _rewards(ours: tuple[float, float], theirs: tuple[float, float]) -> Check:
    """Compare the least and the largest."""
    said = _range(*ours), f"{_range(*theirs)} at random"
    sizes = max(map(abs, ours)), max(map(abs, theirs))
    if not min(sizes):
        # A random team may never earn a sparse reward.
        return Check("step rewards", "fits" if not max(sizes) else "cannot tell", *said)
    overlap = ours[0] <= theirs[1] and theirs[0] <= ours[1]
    return Check("step rewards", verdict(overlap and max(sizes) <= _MAGNITUDES * min(sizes)), *said)


def _range(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"
