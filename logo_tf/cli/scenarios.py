"""``logo-tf scenarios``: what can be played."""

from __future__ import annotations

import argparse
from typing import Any

from logo_tf.cli.parser import verb


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(verbs, "scenarios", run, "list the scenarios with their specs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List every scenario; one whose packages are missing says so in its row."""
    from logo_tf.cli.output import write_json, write_table
    from logo_tf.errors import LogoError
    from logo_tf.scenarios.registry import scenario_names, scenario_spec

    found: dict[str, Any] = {}
    for name in scenario_names():
        try:
            found[name] = scenario_spec(name).to_dict()
        except LogoError as error:
            found[name] = {"unavailable": str(error)}
    if arguments.json:
        write_json(found)
        return 0
    columns = ("scenario", "agents", "observations", "actions", "state", "steps")
    write_table(columns, [_row(name, spec) for name, spec in found.items()])
    return 0


def _row(name: str, spec: dict[str, Any]) -> tuple[Any, ...]:
    if "unavailable" in spec:
        return name, "-", spec["unavailable"], "-", "-", "-"
    return (
        name,
        len(spec["agents"]),
        _sizes(spec["observation_dims"]),
        f"{_sizes(spec['action_dims'])} {spec['action_kind']}",
        spec["state_dim"],
        spec["episode_limit"],
    )


def _sizes(dims: list[int]) -> str:
    return str(dims[0]) if len(set(dims)) == 1 else "/".join(map(str, dims))
