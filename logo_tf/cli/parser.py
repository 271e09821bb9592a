"""The command's argument parser: absl's, with errors of one line that name the nearest choice."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any, NoReturn

from absl.flags import argparse_flags

from logo_tf.cluster import STRATEGIES
from logo_tf.errors import LogoError, nearest

Verb = Callable[[argparse.Namespace], int]


class Parser(argparse_flags.ArgumentParser):
    """``argparse_flags.ArgumentParser`` whose errors are ``LogoError``.

    absl's own flags are not inherited: TF-Agents and TensorFlow Datasets define dozens
    that mean nothing here. Options must be spelt out, since an abbreviation that works
    today is ambiguous when an option is added.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            inherited_absl_flags=None,
            allow_abbrev=False,
            add_help=False,
            formatter_class=functools.partial(
                argparse.RawDescriptionHelpFormatter, max_help_position=32
            ),
            **kwargs,
        )
        self.add_argument("-h", "--help", action="help", help="show this help and exit")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has to complain about.

        Raises:
          LogoError: always.
        """
        raise LogoError(f"{message}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            remedy = nearest(str(value), choices)
            raise argparse.ArgumentError(None, f"unknown {_name(action)} {value!r}; {remedy}")

    def parse_exactly(self, arguments: list[str]) -> argparse.Namespace:
        """Parse, and refuse what no option claims.

        Raises:
          LogoError: an unknown option (the message names the nearest of the verb's
            own), a stray word, or what argparse refuses.
        """
        parsed, extra = self.parse_known_args(arguments)
        if extra:
            leaf: argparse.ArgumentParser = parsed.parser
            word = extra[0].partition("=")[0]
            if not word.startswith("-"):
                raise LogoError(f"unexpected argument {word!r}; see {leaf.prog} --help")
            options = [o for o in leaf._option_string_actions if o.startswith("--")]
            raise LogoError(f"{leaf.prog}: unknown option {word}; {nearest(word, options)}")
        return parsed


def add_strategy(parser: argparse.ArgumentParser) -> None:
    """Let a verb that trains share its batches among devices."""
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="none",
        metavar="S",
        help="none, mirrored (all GPUs of this machine) or multiworker (the machines that "
        "TF_CONFIG names, each started with this command) (none)",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Let a verb that trains say which dataset, and where its rows are meanwhile."""
    parser.add_argument("--data", metavar="DIR", required=True, help="the dataset")
    parser.add_argument(
        "--rows",
        choices=("auto", "memory", "disk"),
        default="auto",
        metavar="R",
        help="where the data are while training: in memory, or on disk, from which each batch "
        "reads its rows; auto holds up to 512 MiB in memory. Results are the same (auto)",
    )


def _name(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar).lower()


def verb(
    group: Any, name: str, run: Verb, summary: str, examples: str = ""
) -> argparse.ArgumentParser:
    """Add a verb.

    Args:
      group: what ``add_subparsers`` returned.
      name: the verb.
      run: called with the parsed arguments; returns the exit code.
      summary: one line, shown in the list of verbs.
      examples: shown below the verb's own help.
    """
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=summary, description=summary, epilog=examples
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error, and TensorFlow's log"
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_settings(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--config``, ``--set`` and ``--seed``, which mean the same for every verb."""
    parser.add_argument("--config", metavar="FILE", help="a JSON file of settings")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help=f"settings over the file, such as {example}",
    )
    parser.add_argument("--seed", metavar="K", type=int, help="seed of every random number")
