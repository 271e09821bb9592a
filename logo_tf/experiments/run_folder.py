"""A run's folder: whose it is, and that nobody else works in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.config import to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments.config import RunConfig, first_difference
from logo_tf.scenarios.registry import scenario_spec

RUN_FILE = "run.json"
_LOCK = ".lock"
_OURS = {_LOCK, disk.partial(RUN_FILE).name}  # what a kill can leave before run.json stands


@contextlib.contextmanager
def opened(config: RunConfig, out: Path) -> Iterator[Manifest]:
    """Hold a run's folder, made if it is new.

    Args:
      config: what the run is to be.
      out: its folder: absent, empty, or of a run with the same config.

    Yields:
      The run's manifest, as ``run.json`` holds it.

    Raises:
      LogoError: the folder holds something else, a run with other settings (the
        message names the first that differs) or of another format version, or
        another process works in it. Nothing in it is touched then.
    """
    if out.exists() and not out.is_dir():
        raise LogoError(f"{out}: a file stands where the run's folder is needed; choose another")
    if (out / RUN_FILE).is_file():
        _require_same(read_run(out), config, out)
    elif out.is_dir() and any(child.name not in _OURS for child in out.iterdir()):
        raise LogoError(
            f"{out}: holds files that are not a logo_tf run; choose another folder (--out DIR)"
        )
    # Asked for before anything is made: an unknown scenario leaves no folder behind.
    spec = scenario_spec(config.scenario) if not (out / RUN_FILE).is_file() else None
    with disk.guarded(out):
        out.mkdir(parents=True, exist_ok=True)
        with disk.locked(out / _LOCK, f"{out}: another process is working in this run"):
            if not (out / RUN_FILE).is_file():
                manifest = Manifest(
                    kind="run",
                    spec=(spec or scenario_spec(config.scenario)).to_dict(),
                    config=to_dict(config),
                )
                disk.write_text(out / RUN_FILE, manifest.to_json())
            manifest = read_run(out)
            # Once more: another process may have begun the run while this one waited.
            _require_same(manifest, config, out)
            yield manifest


def read_run(out: Path) -> Manifest:
    """Read ``run.json``.

    Raises:
      LogoError: not readable, of another format version, or not of a run.
    """
    return artifacts.read_manifest(out / RUN_FILE, "run")


def _require_same(manifest: Manifest, config: RunConfig, out: Path) -> None:
    key, theirs, ours = first_difference(manifest.config, to_dict(config))
    if key:
        raise LogoError(
            f"{out}: holds a run with other settings: {key} is {json.dumps(theirs)} there and "
            f"{json.dumps(ours)} here; set it back, or choose another folder (--out DIR)"
        )
