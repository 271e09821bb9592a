"""From a preset, a file and ``--set`` to one resolved config, printed before it is used."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from logo_tf.config import over_file, override, to_dict

Config = TypeVar("Config")


def resolve(base: Config, arguments: argparse.Namespace) -> Config:
    """Apply ``--config``, then ``--set``, then ``--seed`` where the config has one.

    Args:
      base: the preset or the defaults.
      arguments: of a verb with ``add_settings``.

    Raises:
      LogoError: a file that cannot be read, an unknown key, or a value that does not fit.
    """
    config = base if arguments.config is None else over_file(base, arguments.config)
    config = override(config, arguments.set)
    if arguments.seed is not None and hasattr(config, "seed"):
        config = override(config, [f"seed={arguments.seed}"])
    show(config)
    return config


def show(config: object) -> None:
    """Print the resolved config on standard error, one line a group, as ``--set`` takes it."""
    data = to_dict(config)
    loose = {name: value for name, value in data.items() if not isinstance(value, dict)}
    groups = {name: v for name, v in data.items() if isinstance(v, dict)}
    if loose:
        groups = {"": loose, **groups}
    for name, group in groups.items():
        shown = " ".join(f"{key}={json.dumps(value)}" for key, value in _dotted(group))
        sys.stderr.write(f"{name + ':' if name else 'settings:'} {shown}\n")


def _dotted(group: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in group.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
