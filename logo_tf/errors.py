"""The one exception that reaches a user as one line instead of a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LogoError(Exception):
    """Something a user can mend.

    The message is one line: what is wrong, where (file, episode, step, field)
    and what to do about it. The command prints it and exits with code 2.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the remedy for an unknown ``name``: the nearest valid one, or all of them."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "choose one of: " + ", ".join(options)
