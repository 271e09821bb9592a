"""A foreign dataset becomes a dataset folder, every episode checked."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.registry import get_format, recognise
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.data.validate import check_episode
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.metrics import progress


def import_dataset(
    format_name: str,
    src: str | Path,
    out: str | Path,
    options: ImportOptions | None = None,
) -> Dataset:
    """Read a foreign dataset into a new dataset folder.

    Args:
      format_name: one of ``format_names()``, or ``auto`` to find out by looking.
      src: the foreign file or folder.
      out: the dataset folder to make; nothing is left there when a check fails.
      options: what the file may not say of itself.

    Returns:
      The dataset, opened.

    Raises:
      LogoError: unknown format, unreadable source, an episode that breaks a rule
        (file, episode, step and field are named), or ``out`` cannot be written.
    """
    src, out, options = Path(src), Path(out), options or ImportOptions()
    if out.exists():  # before the source is surveyed, which may take a while
        raise LogoError(f"{out}: already exists; choose another folder or remove it first")
    reader = recognise(src) if format_name == "auto" else get_format(format_name)
    if not src.exists():
        raise LogoError(f"{src}: no such file or folder")
    imported = reader.read(src, options)
    dropped: list[str] = []  # filled while the episodes are written, before the provenance is
    return write_dataset(
        out,
        imported.spec,
        _accepted(imported, f"import {src.name}", options.on_error, dropped),
        config={"format": reader.name, "options": dataclasses.asdict(options)},
        provenance={
            **imported.provenance,
            "source": src.absolute().name,
            "source_sha256": _digest(imported.provenance["files"]),
            "environment": imported.spec.environment,
            "dropped": dropped,
        },
        source=str(src),
    )


def _digest(files: Mapping[str, str]) -> str:
    """sha256 of the source: the only file's, or that of what ``sha256sum`` says of all files."""
    if len(files) == 1:
        return next(iter(files.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _accepted(
    imported: Imported, label: str, on_error: str, dropped: list[str]
) -> Iterator[Episode]:
    """Yield the good episodes; raise for the first bad one, or note why it is dropped."""
    bar = progress(label, imported.num_episodes, unit="episode")
    try:
        for found in imported.found:
            try:
                if isinstance(found.content, LogoError):
                    raise found.content
                check_episode(found.content, imported.spec, found.where)
            except LogoError as error:
                if on_error == "refuse":
                    raise
                dropped.append(str(error))
            else:
                yield found.content
            bar.update()
    finally:
        bar.close()
    if dropped and len(dropped) == imported.num_episodes:
        raise LogoError(f"every episode was dropped; the first: {dropped[0]}")
