"""An experiment's job: it makes one artefact from those of the jobs it needs."""

from __future__ import annotations

import abc
import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError
from logo_tf.experiments.config import first_difference
from logo_tf.experiments.matrix import ExperimentConfig

_AGAIN = ".again"


class There(enum.IntEnum):
    """How much of an artefact is there: nothing, its manifest without some files, or all."""

    NOTHING = 0
    MANIFEST = 1
    ALL = 2


class Job(abc.ABC):
    """One artefact.

    Attributes:
      name: unique; also where the artefact stands below the experiment's folder.
      kind: of the artefact.
      needs: role in the artefact's manifest -> the name of the job that fills it.
    """

    kind: str

    def __init__(self, config: ExperimentConfig, name: str, needs: Mapping[str, str]) -> None:
        """Store what it is."""
        self.config, self.name, self.needs = config, name, dict(needs)

    @property
    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """What the artefact must have been made with."""

    def settings_of(self, manifest: Manifest) -> dict[str, Any]:
        """What an artefact was made with."""
        return manifest.config

    def make(self, out: Path) -> None:
        """Make the artefact, or go on making it, or make again what is gone of it.

        Args:
          out: the experiment's folder.

        Raises:
          LogoError: as ``make_at``, or what was made again is not what it was.
        """
        place = out / self.name
        if not place.exists():
            self.make_at(place, out)
            return
        again = place.with_name(place.name + _AGAIN)
        if not again.exists():
            self.make_at(again, out)
        artifacts.refill(place, again)

    @abc.abstractmethod
    def make_at(self, place: Path, out: Path) -> None:
        """Make the artefact.

        Args:
          place: where it will stand.
          out: the experiment's folder, in which those that it needs stand whole.

        Raises:
          LogoError: as the function does that makes such an artefact.
        """

    def there(self, out: Path) -> There:
        """How much of the artefact is there.

        Raises:
          LogoError: it was made with other settings or from other artefacts, or a file
            of it was changed.
        """
        path = out / self.name
        if not path.exists():
            return There.NOTHING
        manifest, gone = artifacts.verify_rest(path, self.kind)
        complaint = self._complaint(manifest, out)
        if complaint:
            raise LogoError(f"{path}: {complaint}")
        return There.MANIFEST if gone else There.ALL

    def found(self, out: Path) -> Manifest | None:
        """The artefact's manifest, if it is there and belongs to this experiment.

        Its files need not be there, and are not read.
        """
        path = out / self.name
        manifest = artifacts.load_manifest(path, self.kind) if path.exists() else None
        return None if manifest is None or self._complaint(manifest, out) else manifest

    def require_fits(self, out: Path) -> None:
        """Check that no artefact of another experiment stands in the way.

        Raises:
          LogoError: one does; the message names the first setting that differs.
        """
        path = out / self.name
        if path.exists():
            difference = self._difference(artifacts.load_manifest(path, self.kind))
            if difference:
                raise LogoError(f"{path}: {difference}")

    def _difference(self, manifest: Manifest) -> str:
        """Which setting of an artefact is not this job's; empty if all are."""
        key, theirs, ours = first_difference(self.settings_of(manifest), self.settings)
        if key:
            return (
                f"{key} is {json.dumps(theirs)} there and {json.dumps(ours)} in this experiment; "
                "set it back, remove that folder, or choose another (--out DIR)"
            )
        return ""

    def _complaint(self, manifest: Manifest, out: Path) -> str:
        """Why an artefact is not this job's; empty if it is."""
        difference = self._difference(manifest)
        if difference:
            return difference
        for role, name in self.needs.items():
            parent = out / name
            if not parent.exists() or (
                manifest.parents.get(role) != artifacts.load_manifest(parent).hash
            ):
                return f"was made from another {role} than {parent}; remove it to make it again"
        return ""


def survey(every: Mapping[str, Job], out: Path) -> tuple[dict[str, There], dict[str, str]]:
    """How much of each artefact is there, with the manifests of all that it was made from.

    Args:
      every: jobs by name, each after those it needs.
      out: the experiment's folder.

    Returns:
      By job; and why artefacts that are there cannot be used, which count as nothing.
    """
    there, complaints = dict.fromkeys(every, There.NOTHING), {}
    for name, job in every.items():
        if all(there[needed] is not There.NOTHING for needed in job.needs.values()):
            try:
                there[name] = job.there(out)
            except LogoError as error:
                complaints[name] = str(error)
    return there, complaints
