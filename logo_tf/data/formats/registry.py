"""Importers and writers by name. A new format is one file and one line here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from logo_tf.data.formats.protocol import Format, Writer
from logo_tf.errors import LogoError, nearest

# Name -> module:class. Importing this imports no reader.
_FORMATS: dict[str, str] = {
    "minari": "logo_tf.data.formats.minari:Minari",
    "omar": "logo_tf.data.formats.omar:Omar",
    "omiga": "logo_tf.data.formats.omiga:Omiga",
    "pymarl": "logo_tf.data.formats.pymarl:PyMarl",
    "rlds": "logo_tf.data.formats.rlds:Rlds",
    "vault": "logo_tf.data.formats.vault:Vault",
}

# Archives are not opened here: what they may hold (links, bombs) is for data/unpack.py.
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".npz", ".7z", ".zst", ".xz", ".bz2")
_WRITERS: dict[str, str] = {
    "minari": "logo_tf.data.formats.minari_writer:write",
    "pymarl": "logo_tf.data.formats.pymarl_writer:write",
    "rlds": "logo_tf.data.formats.rlds_writer:write",
}


def format_names() -> list[str]:
    """Return every format's name, sorted."""
    return sorted(_FORMATS)


def get_format(name: str) -> Format:
    """Build an importer.

    Raises:
      LogoError: the name is unknown; the message names the nearest.
    """
    if name not in _FORMATS:
        raise LogoError(f"unknown dataset format {name!r}; {nearest(name, _FORMATS)}")
    found: Format = _imported(_FORMATS[name])()
    return found


def writer_names() -> list[str]:
    """Return the name of every format that can be written, sorted."""
    return sorted(_WRITERS)


def get_writer(name: str) -> Writer:
    """Return what writes a format.

    Raises:
      LogoError: the name is unknown; the message names the nearest.
    """
    if name not in _WRITERS:
        raise LogoError(f"cannot write the format {name!r}; {nearest(name, _WRITERS)}")
    found: Writer = _imported(_WRITERS[name])
    return found


def recognise(path: Path) -> Format:
    """Find the format of a path by looking at it.

    Raises:
      LogoError: there is no such path, or no format recognises it.
    """
    if not path.exists():
        raise LogoError(f"{path}: no such file or folder")
    for name in format_names():
        candidate = get_format(name)
        if candidate.recognises(path):
            return candidate
    remedy = (
        f"unpack the archive first: logo-tf data unpack {path} --out DIR"
        if path.suffix in _ARCHIVES
        else f"the known are: {', '.join(format_names())}"
    )
    raise LogoError(f"{path}: no known dataset format; {remedy}")


def _imported(place: str) -> Any:
    """What stands at ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
