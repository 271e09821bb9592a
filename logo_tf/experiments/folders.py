"""Where an experiment's artefacts stand, below its folder."""

from __future__ import annotations

import re

from logo_tf.errors import LogoError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+()-]*")


def scenario_folder(scenario: str) -> str:
    """Where everything of a scenario stands."""
    return scenario.replace("/", "-")


def task_folder(scenario: str, quality: str) -> str:
    """Where everything of a dataset stands."""
    return f"{scenario_folder(scenario)}/{quality}"


def cell_folder(scenario: str, quality: str, arm: str, seed: int) -> str:
    """Where an arm's policy of one seed and its evaluation stand."""
    return f"{task_folder(scenario, quality)}/arms/{folder_name(arm)}/seed-{seed}"


def folder_name(name: str) -> str:
    """The folder of an arm or a model.

    Raises:
      LogoError: a name that no folder can have.
    """
    if not _NAME.fullmatch(name):
        raise LogoError(
            f"experiment: {name!r} cannot name an arm or a model: use letters, digits, spaces "
            "and _.,+()-, a letter or digit first"
        )
    return name.replace(" ", "_")
