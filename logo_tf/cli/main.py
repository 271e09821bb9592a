"""The ``logo-tf`` command's entry: parses, calls the verb, turns errors into one line."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from absl import app, flags
from absl import logging as absl_logging

import logo_tf
from logo_tf.cli import (
    data,
    edge,
    experiment,
    export,
    model,
    policy,
    publish,
    run,
    scenarios,
    serve,
    show,
)
from logo_tf.cli.parser import Parser
from logo_tf.errors import LogoError

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
      arguments: what follows ``logo-tf``; those of the process if None.

    Returns:
      The exit code: 0, 2 for what a user can mend, 130 when interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app.run(_call, ["logo-tf", *words], flags_parser=_parse)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except LogoError as error:
        if "--debug" in words:
            traceback.print_exc()
        _complain(str(error))
        return 2
    except KeyboardInterrupt:
        _complain("interrupted; run the same command to resume")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) left; Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    # absl's flags keep their defaults; libraries that read them require a parse.
    flags.FLAGS.mark_as_parsed()
    parser = _parser()
    if len(argv) < 2:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    return parser.parse_exactly(argv[1:])


def _parser() -> Parser:
    parser = Parser(
        prog="logo-tf",
        description="Model-based offline multi-agent reinforcement learning on TensorFlow.",
        epilog="Start with: logo-tf run\nHelp of one verb: logo-tf VERB --help",
    )
    parser.add_argument("--version", action="version", version=f"logo-tf {logo_tf.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for file in (
        run,
        scenarios,
        data,
        model,
        policy,
        experiment,
        export,
        publish,
        serve,
        edge,
        show,
    ):
        file.add(verbs)
    return parser


def _call(parsed: argparse.Namespace) -> int:
    _quieten(parsed.debug)
    code: int = parsed.run(parsed)
    sys.stdout.flush()
    return code


def _quieten(debug: bool) -> None:
    """Keep library chatter off the terminal; it must be set before TensorFlow is imported."""
    if debug:
        absl_logging.set_verbosity(absl_logging.INFO)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    absl_logging.set_verbosity(absl_logging.ERROR)


def _complain(message: str) -> None:
    sys.stderr.write(f"logo-tf: {' '.join(message.split())}\n")
