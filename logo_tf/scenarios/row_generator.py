"""A random generator for a batch whose rows each keep a stream of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class RowGenerator(np.random.Generator):
    """Draws row b of a batch of B from the b-th of B generators.

    Whatever is drawn with a size that begins with B (``random``, ``uniform``,
    ``standard_normal``, ``normal``, ``integers``) takes row b from generator b, so an
    episode's random numbers do not depend on which others share its batch. Draws
    of any other size, and all other methods, come from the first row's generator.
    """

    def __init__(self, rows: Sequence[np.random.Generator]) -> None:
        """Args: rows: B generators, one per row, at least one."""
        super().__init__(rows[0].bit_generator)
        self._rows = list(rows)

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy; (B, ...) is drawn row by row."""
        return self._draw(
            size,
            lambda row, shape: row.random(shape, *args, **kwargs),
            lambda: super(RowGenerator, self).random(size, *args, **kwargs),
        )

    def standard_normal(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy; (B, ...) is drawn row by row."""
        return self._draw(
            size,
            lambda row, shape: row.standard_normal(shape, *args, **kwargs),
            lambda: super(RowGenerator, self).standard_normal(size, *args, **kwargs),
        )

    def integers(  # type: ignore[override]  # NumPy spells out an overload per dtype
        self, low: Any, high: Any = None, size: Any = None, **kwargs: Any
    ) -> Any:
        """As in NumPy; (B, ...) is drawn row by row."""
        return self._draw(
            size,
            lambda row, shape: row.integers(low, high, shape, **kwargs),
            lambda: super(RowGenerator, self).integers(low, high, size, **kwargs),
        )

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """As in NumPy; (B, ...) is drawn row by row."""
        size = np.broadcast_shapes(np.shape(low), np.shape(high)) if size is None else size
        return low + np.subtract(high, low) * self.random(size)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """As in NumPy; (B, ...) is drawn row by row."""
        size = np.broadcast_shapes(np.shape(loc), np.shape(scale)) if size is None else size
        return loc + np.multiply(scale, self.standard_normal(size))

    def _draw(
        self,
        size: Any,
        by_row: Callable[[np.random.Generator, tuple[int, ...]], Any],
        whole: Callable[[], Any],
    ) -> Any:
        shape = () if size is None else tuple(np.atleast_1d(size))
        if not shape or shape[0] != len(self._rows):
            return whole()
        return np.stack([by_row(row, shape[1:]) for row in self._rows])
