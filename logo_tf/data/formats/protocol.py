"""What an importer of a foreign format promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What a foreign file may not say of itself.

    Attributes:
      scenario: the scenario's name; None derives one from the file's.
      win_reward: a step reward at least this large marks a won episode; ``detect``
        leaves it to the format, ``none`` says that nothing is won.
    """

    scenario: str | None = None
    win_reward: float | Literal["detect", "none"] = "detect"


@dataclasses.dataclass(frozen=True)
class Imported:
    """A foreign dataset, surveyed but not yet read.

    Attributes:
      spec: what the file was found to hold.
      episodes: read from the file as they are asked for, once.
      num_episodes: how many there will be.
      provenance: the format, the files and their hashes, what was inferred.
    """

    spec: ScenarioSpec
    episodes: Iterator[Episode]
    num_episodes: int
    provenance: dict[str, Any]


class Format(Protocol):
    """One foreign dataset format."""

    @property
    def name(self) -> str:
        """The name to import by."""

    def recognises(self, path: Path) -> bool:
        """Tell whether the path looks like this format, reading as little as needed."""

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Survey the path and prepare to stream its episodes.

        Raises:
          LogoError: it is not readable, or breaks the format's rules; names the
            file, episode, step and field.
        """
