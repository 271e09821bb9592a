"""What an importer of a foreign format promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What a foreign file may not say of itself, and what to do about its faults.

    Attributes:
      scenario: the scenario's name; None derives one from the file's.
      environment: id and version of the environment that was played; None leaves it to
        the file, and most say nothing.
      win_reward: a step reward at least this large marks a won episode; ``detect``
        leaves it to the format, ``none`` says that nothing is won.
      team_reward: where each agent has a reward of its own: ``equal`` refuses agents
        that differ, ``mean`` and ``sum`` make one reward of them.
      last_step: where a format keeps no row after an episode's last action (vault,
        omiga): ``repeat`` keeps that step, with its own row as the next, and so the
        reward of winning; ``drop`` leaves the step out, and so every invented row.
      on_error: ``refuse`` stops at the first bad episode, ``drop-episode`` leaves bad
        ones out and notes why in the dataset's provenance.
    """

    scenario: str | None = None
    environment: str | None = None
    win_reward: float | Literal["detect", "none"] = "detect"
    team_reward: Literal["equal", "mean", "sum"] = "equal"
    last_step: Literal["repeat", "drop"] = "repeat"
    on_error: Literal["refuse", "drop-episode"] = "refuse"


@dataclasses.dataclass(frozen=True)
class Found:
    """One episode of a foreign file, or the fault that keeps it out.

    Attributes:
      where: names it in messages, such as ``part_0.h5: episode 3``.
      content: the episode, or what is wrong with it.
    """

    where: str
    content: Episode | LogoError


@dataclasses.dataclass(frozen=True)
class Imported:
    """A foreign dataset, surveyed but not yet read.

    Attributes:
      spec: what the file was found to hold.
      found: its episodes, read from the file as they are asked for, once.
      num_episodes: how many there will be, bad ones included.
      provenance: the format, the files and their hashes, what was inferred.
    """

    spec: ScenarioSpec
    found: Iterator[Found]
    num_episodes: int
    provenance: dict[str, Any]

    @property
    def episodes(self) -> Iterator[Episode]:
        """The episodes alone.

        Raises:
          LogoError: when the first bad one is reached.
        """
        for found in self.found:
            if isinstance(found.content, LogoError):
                raise found.content
            yield found.content


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
            file, episode, step and field. Bad episodes alone raise nothing where
            the options say ``drop-episode``.
        """


class Writer(Protocol):
    """Writes episodes in one foreign format."""

    def __call__(
        self, spec: ScenarioSpec, episodes: Iterator[Episode], count: int, folder: Path
    ) -> None:
        """Write ``count`` episodes into an empty folder.

        Raises:
          LogoError: the format has no place for something that the episodes hold.
        """
