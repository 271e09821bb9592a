"""``logo-tf show``: what an artefact is, its config, figures and lineage."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf.cli.parser import verb
from logo_tf.errors import LogoError

if TYPE_CHECKING:
    from logo_tf.artifacts import Manifest


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(verbs, "show", run, "what an artefact is, its config, figures and lineage")
    parser.add_argument("path", metavar="PATH", help="any folder that logo-tf wrote, or in one")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show an artefact, or a whole run."""
    from logo_tf.cli.output import write_json, write_line, write_pairs, write_table

    path = Path(arguments.path)
    manifest, where = _manifest(path)
    lineage = list(_lineage(manifest, where))
    if arguments.json:
        shown = {
            "path": str(where),
            "kind": manifest.kind,
            "hash": manifest.hash,
            "format_version": manifest.format_version,
            "logo_tf": manifest.logo_tf,
            "scenario": manifest.spec,
            "config": manifest.config,
            "figures": manifest.figures,
            "provenance": manifest.provenance,
            "files": manifest.files,
            "lineage": [
                {"depth": depth, "role": role, "hash": digest, "path": found and str(found)}
                for depth, role, digest, found in lineage
            ],
        }
        write_json(shown)
        return 0
    article = "an" if manifest.kind.startswith(("a", "e", "i", "o", "u")) else "a"
    write_line(f"{where}: {article} {manifest.kind} artefact")
    scenario = {}
    if manifest.spec:  # an experiment is of several
        scenario = {
            "scenario": manifest.scenario.name,
            "environment": manifest.scenario.environment,
        }
    write_pairs(
        {
            **scenario,
            "hash": manifest.hash,
            "written by": f"logo_tf {manifest.logo_tf}, format version {manifest.format_version}",
            "files": len(manifest.files),
        }
    )
    for title in ("config", "figures", "provenance"):
        if getattr(manifest, title):
            write_pairs(getattr(manifest, title), title)
    if lineage:
        rows = [
            ("  " * depth + role, digest[:12], found or "not found beside it")
            for depth, role, digest, found in lineage
        ]
        write_table(("made from", "hash", "stands at"), rows, "lineage")
    return 0


def _manifest(path: Path) -> tuple[Manifest, Path]:
    """The manifest of an artefact, a run or an experiment; a file inside one means the whole."""
    from logo_tf.artifacts import MANIFEST, load_manifest, read_manifest
    from logo_tf.experiments.experiment import EXPERIMENT_FILE
    from logo_tf.experiments.run_folder import RUN_FILE, read_run

    if not path.exists():
        raise LogoError(f"{path}: no such file or folder")
    folder = path if path.is_dir() else path.parent
    if (folder / RUN_FILE).is_file() and not (folder / MANIFEST).is_file():
        return read_run(folder), folder
    if (folder / EXPERIMENT_FILE).is_file() and not (folder / MANIFEST).is_file():
        return read_manifest(folder / EXPERIMENT_FILE, "experiment"), folder
    return load_manifest(folder), folder


def _lineage(
    manifest: Manifest, where: Path, depth: int = 0
) -> Iterator[tuple[int, str, str, Path | None]]:
    """Every ancestor: (generations beyond the parents, role, hash, folder if found)."""
    from logo_tf.artifacts import load_manifest

    nearby = _nearby(where)
    for role, digest in sorted(manifest.parents.items()):
        found = nearby.get(digest)
        yield depth, role, digest, found
        if found is not None:
            yield from _lineage(load_manifest(found), found, depth + 1)


def _nearby(where: Path) -> dict[str, Path]:
    """Hash -> folder of the artefacts around a folder.

    Up to three levels above it, because an export stands at RUN/saved_models/NAME/VERSION
    and its parents at RUN/policy; and, inside of an experiment, all of its artefacts.
    """
    from logo_tf.artifacts import MANIFEST, load_manifest
    from logo_tf.experiments.experiment import EXPERIMENT_FILE

    above = list(where.absolute().parents)
    files = [file for folder in above[:3] for file in sorted(folder.glob(f"*/{MANIFEST}"))]
    for folder in above:
        if (folder / EXPERIMENT_FILE).is_file():
            files += sorted(folder.rglob(MANIFEST))
    found: dict[str, Path] = {}
    for file in files:
        try:
            found.setdefault(load_manifest(file.parent).hash, file.parent)
        except LogoError:
            continue  # of another version or broken: not an ancestor that can be shown
    return found
