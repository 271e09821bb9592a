"""The main job: every stage of a run in order, each resumed or skipped, then the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.experiments.clock import StageClock
from logo_tf.experiments.config import RunConfig
from logo_tf.experiments.reporting import write_report
from logo_tf.experiments.run_folder import opened
from logo_tf.experiments.stages import Stage, stages
from logo_tf.experiments.summary import summarise

SUMMARY = "summary.json"


def run(
    config: RunConfig,
    out: str | Path,
    console: Console | None = None,
    before_work: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Make whatever of a run is not there yet.

    A killed run is resumed by the same call, inside the stage where it was killed. A
    stage is skipped when its artefact is there, every file of it has the sha256 that
    its manifest lists, and it was made from the parents that stand beside it. One made
    from other parents (because a stage before it was removed) is made again.

    Args:
      config: the run's settings.
      out: its folder.
      console: where stage headers go; standard error if None.
      before_work: called before the first stage that is not skipped, if there is one;
        the command loads its heavy libraries there.

    Returns:
      What ``summary.json`` holds.

    Raises:
      LogoError: as ``run_folder.opened`` and the stages do.
    """
    out = Path(out)
    console = console or Console(stderr=True, highlight=False)
    with opened(config, out):
        clock = StageClock(out)
        manifests: dict[str, Manifest] = {}
        places: dict[str, Path] = {}
        for stage in stages(config, out):
            found = _skipped(stage, manifests, console)
            if found is None:
                if before_work is not None:
                    before_work()
                    before_work = None
                found = _made(stage, places, clock, console)
            manifests[stage.name], places[stage.name] = found
        summary = summarise(config, manifests, places, clock.seconds)
        fresh = write_report(config, manifests, places, summary, out, clock)
        console.print(_header("Report", "made" if fresh else "skipped, unchanged"))
        summary["seconds"] = _with_total(clock)
        text = json.dumps(summary, indent=1, allow_nan=False) + "\n"
        file = out / SUMMARY
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            disk.write_text(file, text)
    return summary


def _skipped(
    stage: Stage, manifests: Mapping[str, Manifest], console: Console
) -> tuple[Manifest, Path] | None:
    """The stage's artefact, if there is nothing to do."""
    hashes = {name: manifest.hash for name, manifest in manifests.items()}
    manifest, path = stage.finished(hashes), stage.find()
    if manifest is None or path is None:
        return None
    console.print(_header(stage.title, "skipped, unchanged"))
    return manifest, path


def _made(
    stage: Stage, places: Mapping[str, Path], clock: StageClock, console: Console
) -> tuple[Manifest, Path]:
    path = stage.find()
    if path is not None and path.exists():
        console.print(_header(stage.title, "made again, because what it was made from changed"))
        if stage.superseded == "replaced":
            shutil.rmtree(path)
        if stage.clock == stage.name:
            clock.forget(stage.clock)
    else:
        resumed = path is not None and disk.partial(path).exists()
        console.print(_header(stage.title, "resumed" if resumed else "begun"))
    with clock.running(stage.clock):
        path = stage.make(places)
    return artifacts.load_manifest(path, stage.kind), path


def _header(title: str, state: str) -> str:
    style = "dim" if state.startswith("skipped") else "bold"
    return f"[{style}]{title:<22}[/{style}] [dim]{state}[/dim]"


def _with_total(clock: StageClock) -> dict[str, float]:
    seconds = clock.seconds
    return {**seconds, "total": round(sum(seconds.values()), 2)}
