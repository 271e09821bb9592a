"""Reading JSON files that nobody vouches for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from logo_tf.errors import LogoError

_MAX_BYTES = 16 * 2**20


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
      LogoError: missing, larger than 16 MiB, not JSON, or not an object.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LogoError(f"{path}: larger than {_MAX_BYTES >> 20} MiB; is it the right file?")
        return parse_object(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise LogoError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


def parse_object(text: Any, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
      text: a string, if the file is what it should be.
      where: names it in messages.

    Raises:
      LogoError: not a string, not JSON, or not an object.
    """
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise LogoError(f"{where}: not readable JSON ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict):
        raise LogoError(f"{where}: not a JSON object")
    return found
