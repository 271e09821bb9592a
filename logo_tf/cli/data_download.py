"""``logo-tf data catalogue``, ``download`` and ``unpack``: datasets that others publish."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import verb

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def add(below: Any) -> None:
    """Add the verbs to those of ``logo-tf data``."""
    parser = verb(below, "catalogue", catalogue, "list public datasets that download by name")
    parser.add_argument("--json", action="store_true", help="print JSON")

    parser = verb(
        below,
        "download",
        fetch,
        "fetch a file, or a dataset of the catalogue; resumes when it is run again",
        "example: logo-tf data download og_marl/smac_v1/3m --out vaults/3m.zip",
    )
    parser.add_argument("source", metavar="URL", help="http(s)://..., or a name of the catalogue")
    parser.add_argument("--out", metavar="FILE", required=True, help="the file to make, new")
    parser.add_argument(
        "--sha256",
        metavar="H",
        type=str.lower,
        help="what the file must have; without it nothing is checked, and its own is printed",
    )
    _add_max_size(parser, "16GiB")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_positive,
        default=30.0,
        help="seconds without a byte after which a connection counts as lost (30)",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=_count,
        default=4,
        help="times in a row that a lost connection is made again without a byte gained (4)",
    )

    parser = verb(
        below,
        "unpack",
        unpack,
        "unpack a zip or tar archive, if nothing in it is unsafe",
        "example: logo-tf data unpack vaults/3m.zip --out vaults/3m",
    )
    parser.add_argument("source", metavar="ARCHIVE", help=".zip, .tar, .tar.gz, .tar.bz2, .tar.xz")
    parser.add_argument("--out", metavar="DIR", required=True, help="the folder to make, new")
    _add_max_size(parser, "64GiB")
    parser.add_argument(
        "--max-members",
        metavar="N",
        type=_count,
        default=50_000,
        help="files and folders that may come out (50000)",
    )
    parser.add_argument(
        "--max-ratio",
        metavar="N",
        type=_count,
        default=200,
        help="bytes that may come out, over those of the archive (200)",
    )


def catalogue(arguments: argparse.Namespace) -> int:
    """List what can be downloaded by name."""
    from logo_tf.cli.output import write_json, write_line, write_table
    from logo_tf.config import to_dict
    from logo_tf.data.catalogue import load_catalogue

    found = load_catalogue()
    if arguments.json:
        write_json(to_dict(found))
        return 0
    write_table(
        ("name", "environment", "qualities", "format", "size"),
        (
            (
                entry.name,
                entry.environment,
                ", ".join(entry.qualities) or "not stated",
                entry.format,
                "not stated" if entry.size is None else _bytes(entry.size),
            )
            for entry in found.datasets
        ),
    )
    write_line(found.note)
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Download a file."""
    from logo_tf.cli.output import write_line
    from logo_tf.data.catalogue import load_catalogue
    from logo_tf.data.download import download
    from logo_tf.data.transfer import DownloadConfig

    url, sha256 = arguments.source, arguments.sha256
    named = "://" not in url
    if named:
        entry = load_catalogue().find(url)
        url, sha256 = entry.url, sha256 or entry.sha256
    config = DownloadConfig(
        sha256=sha256,
        max_bytes=arguments.max_size,
        timeout=arguments.timeout,
        retries=arguments.retries,
    )
    done = download(url, arguments.out, config)
    if done.changed:
        write_line("the file changed on the server since the first attempt: it was begun anew")
    write_line(f"{done.path}: {_bytes(done.size)}, sha256 {done.sha256}")
    if sha256 is None:
        write_line("the sha256 was not checked, none was given; keep it, and next time give it:")
        write_line(f"  --sha256 {done.sha256}")
    if named:
        write_line(f"next: logo-tf data unpack {done.path} --out DIR")
    return 0


def unpack(arguments: argparse.Namespace) -> int:
    """Unpack an archive."""
    from logo_tf.cli.output import write_line
    from logo_tf.data.unpack import UnpackConfig
    from logo_tf.data.unpack import unpack as unpack_archive

    config = UnpackConfig(
        max_bytes=arguments.max_size,
        max_members=arguments.max_members,
        max_ratio=arguments.max_ratio,
    )
    done = unpack_archive(arguments.source, Path(arguments.out), config)
    write_line(f"{done.path}: {done.files} files, {_bytes(done.size)}")
    return 0


def _add_max_size(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=_size,
        default=_size(default),
        help=f"bytes at most, such as 500MB or 2GiB ({default})",
    )


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a size, such as 500MB or 2GiB, got {text!r}")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit])


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def _bytes(count: int) -> str:
    from tqdm import tqdm

    return f"{tqdm.format_sizeof(count)}B"
