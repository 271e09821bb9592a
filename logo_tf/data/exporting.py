"""A dataset folder becomes files of a foreign format, so that nobody is locked in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from logo_tf import artifacts, disk
from logo_tf.data.formats.registry import get_writer
from logo_tf.data.store import Dataset
from logo_tf.episodes import Episode
from logo_tf.metrics import progress


def export_dataset(format_name: str, dataset: Dataset, out: str | Path) -> Path:
    """Write a dataset in a foreign format; importing it gives the same arrays and spec.

    Args:
      format_name: one of ``writer_names()``.
      dataset: what to write.
      out: the folder to make: `part_0.h5` in it (pymarl), `data/` in it (minari, whose
        ids end in `-v0`), or the dataset's version (rlds, such as `toy/1.0.0`). It
        appears whole or not at all.

    Returns:
      The folder.

    Raises:
      LogoError: an unknown format, or one that cannot hold the dataset; ``out``
        exists, or the disk refuses.
    """
    write, out = get_writer(format_name), Path(out)
    with artifacts.writing(out) as aside, disk.guarded(out):
        write(dataset.spec, _watched(dataset, f"export {out.name}"), dataset.num_episodes, aside)
        aside.rename(out)
    return out


def _watched(dataset: Dataset, label: str) -> Iterator[Episode]:
    bar = progress(label, dataset.num_episodes, unit="episode")
    try:
        for episode in dataset.episodes():
            yield episode
            bar.update()
    finally:
        bar.close()
