"""Axis letters and the check that arrays wear them.

| letter | axis                                    |
|--------|-----------------------------------------|
| B      | batch                                   |
| T      | time                                    |
| N      | agents                                  |
| E      | ensemble members                        |
| O      | one agent's observation (padded)        |
| A      | one agent's action, or its choices      |
| L      | legal-action mask: A, or 0 (continuous) |
| S      | global state                            |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logo_tf.errors import LogoError


def check_shapes(
    arrays: Mapping[str, Any], axes: Mapping[str, str], **sizes: int
) -> dict[str, int]:
    """Check that arrays agree on the size of every axis letter.

    Args:
      arrays: what to check, by name; anything with a ``shape``. Unknown (None)
        dimensions of graph tensors pass.
      axes: for each name its axis letters, such as ``{"observations": "BNO"}``;
        ``""`` is a scalar.
      **sizes: letters whose size is known beforehand, such as ``N=2``.

    Returns:
      The size of every letter that was met.

    Raises:
      LogoError: ranks or sizes disagree; the message shows the name, its axes
        and its shape.
    """
    known = dict(sizes)
    for name, letters in axes.items():
        shape = tuple(arrays[name].shape)
        if len(shape) != len(letters):
            raise LogoError(
                f"{name} has shape {shape}, expected {len(letters)} axes ({', '.join(letters)})"
            )
        for letter, size in zip(letters, shape, strict=True):
            if size is None:
                continue
            if known.setdefault(letter, size) != size:
                raise LogoError(
                    f"{name} has shape {shape} for axes ({', '.join(letters)}): "
                    f"{letter} is {size}, expected {known[letter]}"
                )
    return known
