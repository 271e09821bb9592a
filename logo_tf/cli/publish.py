"""``logo-tf publish``: an exported version goes to where it is served, or is taken back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import verb
from logo_tf.config import require

_EXAMPLES = """\
examples:
  logo-tf publish runs/quickstart/saved_models/policy/1 --name cheetah --to saved_models
  logo-tf publish --rollback cheetah --to saved_models"""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(
        verbs,
        "publish",
        run,
        "check an exported version and put it where a server finds it, or take it back",
        _EXAMPLES,
    )
    parser.add_argument(
        "path", metavar="VERSION", nargs="?", help="the folder of an exported SavedModel's version"
    )
    parser.add_argument("--name", metavar="NAME", help="of the model there (as it was exported)")
    parser.add_argument(
        "--to", metavar="DIR", default="saved_models", help="the repository (saved_models)"
    )
    parser.add_argument(
        "--rollback", metavar="NAME", help="withdraw this model's newest version instead"
    )


def run(arguments: argparse.Namespace) -> int:
    """Publish or roll back."""
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow

    require(
        (arguments.path is None) != (arguments.rollback is None),
        "publish needs the folder of a version, or --rollback NAME",
    )
    require(
        arguments.rollback is None or arguments.name is None,
        "--name is of what is published; --rollback names its model itself",
    )
    import_tensorflow()
    from logo_tf.export.release import publish_version, roll_back

    to = Path(arguments.to)
    if arguments.rollback is not None:
        done = roll_back(arguments.rollback, to)
        write_line(f"{done.served}: is served again; {done.version.name} is kept as {done.kept}")
    else:
        path = publish_version(Path(arguments.path), to, arguments.name)
        write_line(f"{path}: published; every file, op and golden answer was checked")
    return 0
