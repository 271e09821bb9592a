"""From one model repository to another that is served: verified, whole, and back again.

A version is copied as the next one of its name. Before it is renamed into place, every file is
compared with its sha256, the graph is scanned for what it may not do, and the copy is loaded
and asked what it was asked when it was exported. A version that is rolled back keeps its files
under a name that no server lists, and its number is not given again.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.config import require
from logo_tf.errors import LogoError
from logo_tf.export.ops import require_allowed_ops
from logo_tf.export.publishing import WITHDRAWN, check_name, locked_folder, new_version, versions
from logo_tf.export.warmup import Exchange, read_warmup

# Other processors sum in another order; in units of the largest answer of a kind.
TOLERANCE = 1e-4


class RolledBack(NamedTuple):
    """A version that was withdrawn, where it lies now, and the one that is served instead."""

    version: Path
    kept: Path
    served: Path


def publish_version(source: Path, to: Path, name: str | None = None) -> Path:
    """Copy an exported version into a repository as the next version.

    Args:
      source: the version's folder, such as ``saved_models/cheetah/3``.
      to: the repository that is served.
      name: of the model there; as it was exported by default.

    Returns:
      The new version's folder.

    Raises:
      LogoError: not an exported SavedModel, a file is missing or was changed, the graph holds
        an op that is not allowed, it has no golden request or answers one otherwise than
        when it was exported, the name is not one, or the disk refuses. Nothing is published.
    """
    manifest = artifacts.verify(source, "export")
    require(
        manifest.config.get("format") == "saved_model",
        f"{source}: is a bundle for devices, which no server serves; publish a SavedModel",
    )
    require_allowed_ops(source)
    name = manifest.config["name"] if name is None else name
    with new_version(to, name) as path:
        aside = disk.partial(path)
        for file in manifest.files:
            (aside / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, aside / file)
        _require_golden_answers(aside, str(source))
        published = artifacts.publish(
            path,
            dataclasses.replace(
                manifest,
                config={**manifest.config, "name": name, "version": int(path.name)},
                provenance={**manifest.provenance, "published_from": manifest.hash},
            ),
        )
        require(
            published.files == manifest.files,
            f"{source}: changed while it was copied; remove {path} and publish it again",
        )
    return path


def roll_back(name: str, to: Path) -> RolledBack:
    """Withdraw the newest version of a model, so that servers go back to the one before.

    Args:
      name: of the model.
      to: the repository that is served.

    Raises:
      LogoError: the name is not one, there is no such model, it has no version to go back to,
        another process works on it, or the disk refuses.
    """
    folder = to / check_name(name)
    require(folder.is_dir(), f"{folder}: there is no such model")
    with locked_folder(folder):
        found = versions(folder)
        require(
            len(found) >= 2,
            f"{folder}: has {len(found) or 'no'} version{'s' * (len(found) != 1)}, so there is "
            "none to go back to",
        )
        before, newest = (folder / str(number) for number in found[-2:])
        kept = folder / f"{newest.name}{WITHDRAWN}"
        artifacts.require_new(kept)
        with disk.guarded(newest):
            newest.rename(kept)
    return RolledBack(newest, kept, before)


def _require_golden_answers(folder: Path, what: str) -> None:
    """Load a version and ask it what it was asked when it was exported."""
    exchanges = list(read_warmup(folder))
    require(
        bool(exchanges) and all(exchange.outputs for exchange in exchanges),
        f"{what}: has no golden request to check it with; export it again",
    )
    try:
        loaded = tf.saved_model.load(str(folder))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise LogoError(f"{what}: does not load: {str(error).splitlines()[0]}") from None
    for exchange in exchanges:
        _require_golden_answer(loaded, exchange, what)


def _require_golden_answer(loaded: tf.Module, exchange: Exchange, what: str) -> None:
    where = f"{what}: signature {exchange.signature}"
    function = loaded.signatures.get(exchange.signature)
    require(function is not None, f"{where}: is not there, but a golden request asks it")
    try:
        answers = function(**{key: tf.constant(value) for key, value in exchange.inputs.items()})
    except (tf.errors.OpError, TypeError, ValueError) as error:
        raise LogoError(f"{where}: does not run: {str(error).splitlines()[0]}") from None
    require(
        set(answers) == set(exchange.outputs),
        f"{where}: answers {sorted(answers)}, exported it answered {sorted(exchange.outputs)}",
    )
    for key, wanted in exchange.outputs.items():
        require(
            _equal(np.asarray(answers[key].numpy(), wanted.dtype), wanted),
            f"{where}: answers its golden request with another {key} than when it was exported",
        )


def _equal(actual: np.ndarray, wanted: np.ndarray) -> bool:
    if wanted.dtype == object:  # text
        return np.array_equal(actual, wanted)
    finite = np.abs(wanted[np.isfinite(wanted)], dtype=np.float64)
    slack = TOLERANCE * max(1.0, float(finite.max(initial=0.0)))
    return actual.shape == wanted.shape and np.allclose(actual, wanted, rtol=0.0, atol=slack)
