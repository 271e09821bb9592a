"""Public datasets by name: what ``catalogue.json`` says of OG-MARL's, and from where."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

from logo_tf.config import from_dict
from logo_tf.errors import LogoError, nearest


@dataclasses.dataclass(frozen=True)
class Source:
    """Where entries were read.

    Attributes:
      what: what was read there.
      repository: its address.
      file: in the repository.
      commit: of the repository.
    """

    what: str
    repository: str
    file: str
    commit: str


@dataclasses.dataclass(frozen=True)
class PublicDataset:
    """A dataset that somebody publishes.

    Attributes:
      name: publisher, environment and scenario, as in ``og_marl/smac_v1/3m``.
      environment: what its episodes were played in.
      scenario: the environment's own name of it.
      qualities: each is a folder to import.
      format: which importer reads it.
      url: an archive.
      size: bytes of the archive; None where nobody says.
      sha256: of the archive; None where nobody says, and then a download is not checked.
    """

    name: str
    environment: str
    scenario: str
    qualities: tuple[str, ...]
    format: str
    url: str
    size: int | None
    sha256: str | None


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """All that are known.

    Attributes:
      note: what holds for all of them.
      sources: where they were read.
      datasets: in the order of the sources.
    """

    note: str
    sources: tuple[Source, ...]
    datasets: tuple[PublicDataset, ...]

    def find(self, name: str) -> PublicDataset:
        """Return a dataset.

        Raises:
          LogoError: no such name; the message names the nearest.
        """
        by_name = {dataset.name: dataset for dataset in self.datasets}
        if name not in by_name:
            raise LogoError(
                f"{name!r} is neither an address (https://...) nor in the catalogue; "
                f"{nearest(name, by_name)}"
            )
        return by_name[name]


def load_catalogue() -> Catalogue:
    """Read the catalogue that comes with the package."""
    file = resources.files("logo_tf.data") / "catalogue.json"
    return from_dict(Catalogue, json.loads(file.read_text(encoding="utf-8")), "catalogue.json")
