"""A version of a model, from its start to its end, and how a request names one."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

from logo_tf.serving.servable import Servable
from logo_tf.serving.status import ServingError


class State(enum.IntEnum):
    """Of a version; the numbers are those of TensorFlow Serving's proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Spec(NamedTuple):
    """Which model a request is for; the highest version that is available by default."""

    name: str
    version: int | None = None
    label: str | None = None


@dataclasses.dataclass
class Version:
    """A version that is, was or should be serving.

    Attributes:
      number: its number.
      state: how far it is.
      error: why it ended, if it failed.
      servable: what answers, while it is AVAILABLE or UNLOADING.
      users: requests that hold it.
      content: of the files that failed to load; it is tried again once they are others.
    """

    number: int
    state: State = State.START
    error: ServingError | None = None
    servable: Servable | None = None
    users: int = 0
    content: frozenset[tuple[str, int, int]] | None = None
