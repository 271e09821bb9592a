"""Parity: an export answers as the model it was made from, or it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.export.options import TOLERANCE


def difference(expected: np.ndarray, actual: np.ndarray, spread: Any = 0.0) -> float:
    """The largest ``|expected - actual| / max(1, |expected|, spread)``.

    So it is absolute up to magnitude 1, and relative beyond it, where float32 has
    no absolute accuracy to give. Anything that is not finite on either side, and
    shapes that differ, count as infinite: a broken converter answers NaN without
    any error, and NaN passes every ``>``.

    Args:
      expected: the original's values.
      actual: the export's.
      spread: the standard deviation of such values in the data (broadcast to them): a
        value near 0 that was scaled by 30 is no more accurate than one of 30.
    """
    expected, actual = np.asarray(expected), np.asarray(actual)
    if expected.shape != actual.shape:
        return float("inf")
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
        return float("inf")
    magnitude = np.maximum(np.maximum(1.0, np.abs(expected)), spread)
    scaled = np.abs(expected - actual) / magnitude
    return float(np.max(scaled, initial=0.0))


def require_parity(
    expected: Mapping[str, np.ndarray],
    actual: Mapping[str, np.ndarray],
    what: str,
    spreads: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
) -> dict[str, float]:
    """Check that every tensor agrees.

    Args:
      expected: the original's outputs, by name.
      actual: the export's outputs, by the same names.
      what: the export, for the message.
      spreads: ``difference``'s ``spread`` of each tensor that has one.
      tolerance: the largest ``difference`` that passes.

    Returns:
      Each tensor's ``difference``.

    Raises:
      LogoError: a tensor is missing, unexpected, not finite, of another shape, or
        differs too much; the message names it and the difference.
    """
    if set(expected) != set(actual):
        raise LogoError(
            f"{what}: answers with {sorted(actual)}, the original with {sorted(expected)}"
        )
    differences = {}
    for name in expected:
        wanted, got = np.asarray(expected[name]), np.asarray(actual[name])
        if wanted.shape != got.shape:
            raise LogoError(
                f"{what}: {name} has shape {got.shape}, the original's has {wanted.shape}"
            )
        differences[name] = difference(wanted, got, (spreads or {}).get(name, 0.0))
        if differences[name] == float("inf"):
            side = "the original's" if not np.isfinite(wanted).all() else "the export's"
            raise LogoError(f"{what}: {side} {name} is not finite on random inputs; not exported")
        if differences[name] > tolerance:
            raise LogoError(
                f"{what}: {name} differs from the original's by {differences[name]:.3g}, "
                f"more than {tolerance:g}; not exported"
            )
    return differences


def require_same_choices(
    expected: np.ndarray,
    actual: np.ndarray,
    scores: np.ndarray,
    what: str,
    tolerance: float = TOLERANCE,
) -> float:
    """Check that discrete actions agree, but for ties.

    Args:
      expected: (B,) the original's choices.
      actual: (B,) the export's choices.
      scores: (B, A) what the original chooses the highest of; illegal actions
        lie far below the legal ones.
      what: the export, for the message.
      tolerance: how far apart the scores of two choices may be that count as a tie.

    Returns:
      The largest gap between the scores of the two choices: 0 unless a tie was broken
      otherwise.

    Raises:
      LogoError: a choice does not exist, or is worse than the original's.
    """
    expected, actual = np.asarray(expected), np.asarray(actual)
    if expected.shape != actual.shape:
        raise LogoError(
            f"{what}: action has shape {actual.shape}, the original's has {expected.shape}"
        )
    if not np.isfinite(scores).all():
        raise LogoError(f"{what}: the original's scores are not finite on random inputs")
    if actual.size and not (actual.min() >= 0 and actual.max() < scores.shape[-1]):
        raise LogoError(f"{what}: action {actual.min()} to {actual.max()} is not among the choices")
    rows = np.arange(len(expected))
    gap = difference(scores[rows, expected], scores[rows, actual])
    if gap > tolerance:
        raise LogoError(
            f"{what}: action differs from the original's on {np.sum(expected != actual)} of "
            f"{len(expected)} random inputs, by {gap:.3g} in its score; not exported"
        )
    return gap


def largest(differences: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Each tensor's largest difference over several comparisons."""
    found: dict[str, float] = {}
    for one in differences:
        for name, value in one.items():
            found[name] = max(found.get(name, 0.0), value)
    return found
