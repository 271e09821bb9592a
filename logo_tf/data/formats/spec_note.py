"""The scenario spec that this package leaves in the files it exports, read with care."""

from __future__ import annotations

import math
import types
import typing
from typing import Any

from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

KEY = "logo_tf_spec"


def read_note(data: Any, where: str) -> ScenarioSpec:
    """Read a spec that a file carries.

    Args:
      data: what stands in the file under ``KEY``.
      where: names the file in messages.

    Raises:
      LogoError: not a spec; the message names the first field of a wrong type.
    """
    if not isinstance(data, dict):
        raise LogoError(f"{where}: {KEY} is not an object; remove it to import without")
    hints = typing.get_type_hints(ScenarioSpec)
    for field, value in data.items():
        if field in hints and not _fits(value, hints[field]):
            raise LogoError(
                f"{where}: {KEY}: {field} is {str(value)[:50]!r}; remove {KEY} to import without"
            )
    try:
        return ScenarioSpec.from_dict(data)
    except (TypeError, ValueError) as error:  # rows of unequal length
        raise LogoError(f"{where}: {KEY}: {error}") from None


def _fits(value: Any, hint: Any) -> bool:
    """Whether what JSON gave (lists for tuples) fits a field's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, option) for option in inner)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, inner[0]) for item in value)
    if origin is typing.Literal:
        return value in inner
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
