"""What an experiment's results are made from, without what is large: evidence to keep."""

from __future__ import annotations

import shutil
from pathlib import Path

from logo_tf import artifacts, disk
from logo_tf.config import require
from logo_tf.experiments.experiment import EXPERIMENT_FILE, TIMES, is_free
from logo_tf.experiments.job import Job, There, survey
from logo_tf.experiments.jobs import RETURNS, jobs
from logo_tf.experiments.matrix import ExperimentConfig

_CURVE = "curve.jsonl"
_KEPT = (artifacts.MANIFEST, RETURNS, _CURVE)


def archive(config: ExperimentConfig, out: Path, to: Path) -> int:
    """Copy every finished evaluation and the manifests of all that it was made from.

    Datasets, weights and logs stay behind; returns of episodes and returns in training come
    along. ``experiment`` takes the copy for the experiment that it is of: it gives the same
    results, and more seeds or arms can be added to it.

    Args:
      config: the experiment.
      out: its folder.
      to: the archive's folder: new, or of an earlier archive, which is added to.

    Returns:
      How many artefacts the archive holds of this experiment.

    Raises:
      LogoError: ``to`` is the experiment itself, or holds something else or what was made
        otherwise, or the disk refuses.
    """
    out, to = out.absolute(), to.absolute()
    require(to.resolve() != out.resolve(), f"--archive {to}: is the experiment itself")
    require(
        is_free(to),
        f"--archive {to}: holds something that is not a logo_tf experiment; choose another folder",
    )
    kept = _finished(jobs(config), out)
    for name in kept:
        _require_same(out / name, to / name)
    with disk.guarded(to):
        to.mkdir(parents=True, exist_ok=True)
        with disk.locked(to / ".lock", f"{to}: another process works in this experiment"):
            for name in kept:
                if not (to / name).exists():
                    _copy(out / name, to / name)
            for file in (TIMES, EXPERIMENT_FILE):
                if (out / file).is_file():
                    disk.write_text(to / file, (out / file).read_text(encoding="utf-8"))
    return len(kept)


def _finished(every: dict[str, Job], out: Path) -> list[str]:
    """The finished evaluations and all that they were made from, by name."""
    there, _ = survey(every, out)  # of complaints the experiment itself has told
    kept: set[str] = set()
    for name in reversed(every):
        if name in kept or (every[name].kind == "evaluation" and there[name] is There.ALL):
            kept.update((name, *every[name].needs.values()))
    return [name for name in every if name in kept]


def _require_same(place: Path, copy: Path) -> None:
    require(
        not copy.exists()
        or artifacts.load_manifest(copy).hash == artifacts.load_manifest(place).hash,
        f"{copy}: is another one than {place}; choose another folder (--archive DIR)",
    )


def _copy(place: Path, copy: Path) -> None:
    """Copy the small files of an artefact; the copy appears whole or not at all."""
    with artifacts.writing(copy) as aside:
        for name in _KEPT:
            if (place / name).is_file():
                shutil.copyfile(place / name, aside / name)
        aside.rename(copy)
