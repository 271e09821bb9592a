"""``logo-tf edge``: bundles for devices, tried on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from logo_tf.cli.parser import verb
from logo_tf.errors import LogoError


def add(verbs: Any) -> None:
    """Add the verb and the verbs below it."""
    group = verbs.add_parser("edge", help="try bundles for devices")
    below = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    parser = verb(
        below,
        "bench",
        bench,
        "latency of a decision here, size, and difference to the policy it was made from",
        "on a device, without this package: python BUNDLE/team.py BUNDLE",
    )
    parser.add_argument("path", metavar="BUNDLE", help="what logo-tf export RUN --tflite wrote")
    parser.add_argument(
        "--decisions", metavar="K", type=int, default=5000, help="how many to time (5000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def bench(arguments: argparse.Namespace) -> int:
    """Check and time a bundle."""
    from logo_tf.cli.output import write_json, write_pairs
    from logo_tf.cli.quiet import silence

    with silence():  # the runtime says that it has started
        from logo_tf.edge.team import BundleError, measure

        try:
            found = measure(arguments.path, arguments.decisions)
        except BundleError as error:
            raise LogoError(str(error)) from None
    if arguments.json:
        write_json(found)
    else:
        write_pairs(found)
    return 0
