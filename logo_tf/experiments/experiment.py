"""Runs an experiment: every job whose artefact is not there yet, as its engine has room."""

from __future__ import annotations

import json
from concurrent.futures import FIRST_COMPLETED, Future, wait
from graphlib import TopologicalSorter
from pathlib import Path

from rich.console import Console

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.config import from_dict, to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments.engines import Engine, Outcome
from logo_tf.experiments.job import Job, There, survey
from logo_tf.experiments.jobs import jobs
from logo_tf.experiments.matrix import ExperimentConfig, check

EXPERIMENT_FILE = "experiment.json"
TIMES = "times.jsonl"
_LOCK = ".lock"


def experiment(
    config: ExperimentConfig, out: str | Path, engine: Engine, console: Console | None = None
) -> dict[str, Outcome]:
    """Make whatever of an experiment is not there yet.

    An artefact that is there is kept if it was made with the same settings from the same
    artefacts, so an experiment may be given more seeds, arms or scenarios. A killed one is
    resumed by the same call. Where a job fails, all that do not need it are still done.

    What a finished evaluation was made from need not be whole: its manifest is enough, as in
    what ``archive`` leaves. Files that are gone are made again only for a job that reads them.

    Args:
      config: the experiment.
      out: its folder.
      engine: runs the jobs; it is not closed.
      console: where every finished job is told; standard error if None.

    Returns:
      The jobs that failed, by name.

    Raises:
      LogoError: as ``matrix.check``, the folder holds something else or what was made
        otherwise, or another process works in it. Nothing in it is touched then.
    """
    out = Path(out).absolute()
    console = console or Console(stderr=True, highlight=False)
    check(config)
    if not is_free(out):
        raise LogoError(
            f"{out}: holds something that is not a logo_tf experiment; choose another folder "
            "(--out DIR)"
        )
    todo = jobs(config)
    for job in todo.values():
        job.require_fits(out)
    with disk.guarded(out):
        out.mkdir(parents=True, exist_ok=True)
        with disk.locked(out / _LOCK, f"{out}: another process works in this experiment"):
            manifest = Manifest(kind="experiment", spec={}, config=to_dict(config))
            disk.write_text(out / EXPERIMENT_FILE, manifest.to_json())
            return _Schedule(todo, out, engine, console).run()


def read_experiment(out: Path) -> ExperimentConfig:
    """Read what an experiment's folder is of.

    Raises:
      LogoError: it is not one, or not readable.
    """
    if not (out / EXPERIMENT_FILE).is_file():
        raise LogoError(f"{out}: not a logo_tf experiment (it has no {EXPERIMENT_FILE})")
    manifest = artifacts.read_manifest(out / EXPERIMENT_FILE, "experiment")
    return from_dict(ExperimentConfig, manifest.config, str(out / EXPERIMENT_FILE))


def read_times(out: Path) -> dict[str, float]:
    """Job -> the seconds it took, over all its parts."""
    times: dict[str, float] = {}
    file = out / TIMES
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        told = json.loads(line)
        times[told["job"]] = times.get(told["job"], 0.0) + told["seconds"]
    return times


def is_free(out: Path) -> bool:
    """Whether a folder is an experiment's, or empty but for what a kill can leave of one."""
    known = {EXPERIMENT_FILE, disk.partial(EXPERIMENT_FILE).name, _LOCK}
    if not out.exists() or (out / EXPERIMENT_FILE).is_file():
        return True
    return out.is_dir() and all(child.name in known for child in out.iterdir())


class _Schedule:
    """Hands jobs to the engine as those they need are done."""

    def __init__(self, todo: dict[str, Job], out: Path, engine: Engine, console: Console) -> None:
        self._jobs, self._out, self._engine, self._console = todo, out, engine, console
        self._made = self._kept = 0
        self._failed: dict[str, Outcome] = {}

    def run(self) -> dict[str, Outcome]:
        """Do all that can be done; returns what failed."""
        due = self._due()
        self._kept = len(self._jobs) - len(due)
        order = TopologicalSorter(
            {name: due.intersection(self._jobs[name].needs.values()) for name in due}
        )
        order.prepare()
        turn = {name: number for number, name in enumerate(self._jobs)}
        waiting: set[str] = set()
        running: dict[Future[Outcome], str] = {}
        while order.is_active():
            ready = order.get_ready()
            if not (ready or waiting or running):
                break  # all that is left needs what failed
            for name in ready:
                if self._there(name) is There.ALL:
                    self._kept += 1
                    order.done(name)
                elif name not in self._failed:
                    waiting.add(name)
            # No more than there is room for: a job that becomes ready later may come before
            # others that wait, so that seeds are finished one by one.
            room = max(self._engine.slots - len(running), 0)
            for name in sorted(waiting, key=turn.__getitem__)[:room]:
                waiting.remove(name)
                running[self._engine.submit(self._out, name)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                if self._tell(name, future.result()):
                    order.done(name)
        if self._kept:
            self._print(f"[dim]{self._kept} of {len(self._jobs)} were there already[/dim]")
        return self._failed

    def _due(self) -> set[str]:
        """What must be made, or cannot be used; found backwards from what nothing else needs.

        What is there, with the manifests of all that it was made from, needs none of them whole.
        """
        there, complaints = survey(self._jobs, self._out)
        for name, complaint in complaints.items():
            self._fail(name, Outcome(2, complaint, 0.0))
        due = set(complaints)
        asked = set(self._jobs)
        asked.difference_update(*(job.needs.values() for job in self._jobs.values()))
        for name in reversed(self._jobs):
            if name in asked and there[name] is not There.ALL:
                due.add(name)
                asked.update(self._jobs[name].needs.values())
        return due

    def _there(self, name: str) -> There:
        if name in self._failed:
            return There.NOTHING
        try:
            return self._jobs[name].there(self._out)
        except LogoError as error:
            self._fail(name, Outcome(2, str(error), 0.0))
            return There.NOTHING

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)  # one job, one line, even in a file

    def _fail(self, name: str, outcome: Outcome) -> None:
        self._failed[name] = outcome
        self._print(f"[red]failed[/red]  {name}  {outcome.last}")

    def _tell(self, name: str, outcome: Outcome) -> bool:
        """Note and tell how a job ended; whether it ended well."""
        with open(self._out / TIMES, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"job": name, "seconds": round(outcome.seconds, 2)}) + "\n")
        # Only what is there counts, whatever the process says of itself.
        if outcome.code != 0 or self._there(name) is not There.ALL:
            self._fail(name, outcome)
            return False
        self._made += 1
        done = f"{self._made + self._kept}/{len(self._jobs)}"
        self._print(f"[dim]{done}[/dim]  {name}  {outcome.seconds / 60:.1f} min")
        return True
