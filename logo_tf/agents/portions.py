"""What an algorithm learns from at a time: single transitions, or windows of an episode."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf

from logo_tf.agents.config import PolicyConfig
from logo_tf.config import require
from logo_tf.data import pipeline
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions
from logo_tf.imagination.sampling import make_sampler
from logo_tf.imagination.synthetic import SyntheticStore
from logo_tf.specs import ScenarioSpec

Before = tuple[Transitions, tf.Tensor]


class Portion(Protocol):
    """How real and imagined rows come in batches.

    Attributes:
      context: C, the real rows that come first, to fill memories.
      unit: what one is called.
    """

    context: int
    unit: str

    def require_branches(self) -> None:
        """Check that imagined branches can be made into them.

        Raises:
          LogoError: they cannot.
        """

    def count(self, rows: int) -> int:
        """How many of them hold so many rows that losses stand on; at least 1."""

    def real(
        self,
        dataset: Dataset,
        episodes: np.ndarray,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """Stream batches of real ones without end, from batch number ``start`` on.

        ``only``: (b,) which of each batch's ``count`` to read; None means all.
        """

    def starts(
        self, dataset: Dataset, episodes: np.ndarray, branches: int, seed: int, start: int
    ) -> tf.data.Dataset:
        """Stream (B, ...) rows where branches start, and what came ``Before`` them, or ()."""

    def store(self, spec: ScenarioSpec) -> SyntheticStore:
        """An empty store of imagined ones."""

    def imagined(
        self,
        store: SyntheticStore,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """Stream batches of imagined ones, as ``real`` does."""


class SingleTransitions:
    """Each transition by itself, real or imagined."""

    context = 0
    unit = "rows"

    def __init__(self, config: PolicyConfig) -> None:
        """Take what it is made of.

        Args:
          config: of the policy.

        Raises:
          LogoError: it asks for windows or a memory.
        """
        require(
            (config.window, config.burn_in, config.memory) == (1, 0, 0),
            f"algorithm {config.algorithm!r} learns from single transitions: leave policy.window, "
            f"policy.burn_in and policy.memory at 1, 0 and 0, got {config.window}, "
            f"{config.burn_in} and {config.memory}",
        )
        self._imagination = config.imagination

    def require_branches(self) -> None:
        """Any branch can."""

    def count(self, rows: int) -> int:
        """As many as rows."""
        return max(rows, 1)

    def real(
        self,
        dataset: Dataset,
        episodes: np.ndarray,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """``Transitions`` (B, ...)."""
        return pipeline.transitions(dataset, episodes, count, seed, start, only)

    def starts(
        self, dataset: Dataset, episodes: np.ndarray, branches: int, seed: int, start: int
    ) -> tf.data.Dataset:
        """Any transition; nothing came before it."""
        stream = pipeline.transitions(dataset, episodes, branches, seed, start)
        return stream.map(lambda rows: (rows, ()))

    def store(self, spec: ScenarioSpec) -> SyntheticStore:
        """One of single rows: every step of every branch of the kept rounds."""
        config = self._imagination
        capacity = config.horizon * config.branches * config.rounds
        return SyntheticStore(
            spec, capacity, make_sampler(config), accumulation=config.accumulation
        )

    def imagined(
        self,
        store: SyntheticStore,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """``Transitions`` (B, ...)."""

        def single(windows: Transitions, inside: tf.Tensor) -> Transitions:
            del inside  # a row that does not count is never drawn
            return tf.nest.map_structure(lambda field: field[:, 0], windows)

        return store.dataset(count, seed, start, only).map(single)


class Windows:
    """``burn_in`` rows that fill the agents' memories, and ``window`` rows that losses stand on.

    An imagined one is ``burn_in`` real rows, then one whole branch.
    """

    unit = "windows"

    def __init__(self, config: PolicyConfig) -> None:
        """Args: config: of the policy."""
        self.context, self._length = config.burn_in, config.window
        self._imagination = config.imagination

    def require_branches(self) -> None:
        """A branch is a window."""
        require(
            self._imagination.horizon == self._length,
            f"policy.imagination.horizon must equal policy.window, as a branch is a window: "
            f"got {self._imagination.horizon} and {self._length}",
        )

    def count(self, rows: int) -> int:
        """A window holds ``window`` rows."""
        return max(round(rows / self._length), 1)

    def real(
        self,
        dataset: Dataset,
        episodes: np.ndarray,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """(``Transitions`` (B, C + T, ...), (B, C + T) which rows are of the episode)."""
        return pipeline.windows(
            dataset, episodes, self._length, count, seed, start, self.context, only
        )

    def starts(
        self, dataset: Dataset, episodes: np.ndarray, branches: int, seed: int, start: int
    ) -> tf.data.Dataset:
        """Any transition, and the C rows before it."""

        def split(rows: Transitions, inside: tf.Tensor) -> tuple[Transitions, Before]:
            before = tf.nest.map_structure(lambda field: field[:, : self.context], (rows, inside))
            return tf.nest.map_structure(lambda field: field[:, self.context], rows), before

        stream = pipeline.windows(dataset, episodes, 1, branches, seed, start, self.context)
        return stream.map(split)

    def store(self, spec: ScenarioSpec) -> SyntheticStore:
        """One of whole branches."""
        config = self._imagination
        return SyntheticStore(
            spec,
            config.branches * config.rounds,
            make_sampler(config),
            self._length,
            self.context,
            config.accumulation,
        )

    def imagined(
        self,
        store: SyntheticStore,
        count: int,
        seed: int,
        start: int,
        only: np.ndarray | None = None,
    ) -> tf.data.Dataset:
        """As ``real``."""
        return store.dataset(count, seed, start, only)
