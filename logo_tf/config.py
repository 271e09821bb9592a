"""Frozen config dataclasses: JSON round trip, exact keys, ``--set a.b=c``.

A config is a frozen dataclass whose fields are numbers, strings, booleans,
tuples of these, or further configs. It travels inside every artefact.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from logo_tf.errors import LogoError, nearest

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """Return the config as a dict that JSON can hold; ``from_dict`` is its inverse."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(cls: type[Config], data: Mapping[str, Any], where: str = "config") -> Config:
    """Build a config from a dict; absent keys keep their defaults.

    Args:
      cls: the frozen dataclass.
      data: what JSON held.
      where: the dotted place, for messages.

    Raises:
      LogoError: an unknown key (with the nearest valid one), a value of the wrong
        type, or a value that the config itself refuses.
    """
    if not isinstance(data, Mapping):
        raise LogoError(f"{where}: expected an object of settings, got {data!r}")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    for key, value in data.items():
        if key not in names:
            raise LogoError(f"{where}: unknown key {key!r}; {nearest(key, names)}")
        values[key] = _convert(hints[key], value, f"{where}.{key}")
    needed = [
        field.name
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if lacking := [name for name in needed if name not in values]:
        raise LogoError(f"{where}: lacks {', '.join(lacking)}")
    return cls(**values)


def override(config: Config, settings: Iterable[str]) -> Config:
    """Apply ``a.b=c`` settings in order, as the command's ``--set`` does.

    Values are read as JSON where they parse and as plain text elsewhere.

    Raises:
      LogoError: a setting without ``=``, an unknown key, or a value that does not fit.
    """
    data = to_dict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise LogoError(f"--set {setting}: expected key=value, such as seed=1")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *groups, leaf = path.split(".")
        target = data
        for group in groups:
            if group not in target:
                raise LogoError(f"--set {setting}: unknown key {group!r}; {nearest(group, target)}")
            target = target[group]
            if not isinstance(target, dict):
                raise LogoError(f"--set {setting}: {group!r} is a value, not a group of settings")
        if leaf not in target:
            raise LogoError(f"--set {setting}: unknown key {leaf!r}; {nearest(leaf, target)}")
        target[leaf] = value
    return from_dict(type(config), data, "--set")


def over_file(base: Config, path: str | Path) -> Config:
    """Lay the settings of a JSON file over a config; what the file leaves out stays.

    Raises:
      LogoError: no such file, not JSON, an unknown key, or a value that does not fit.
    """
    return from_dict(type(base), _merged(to_dict(base), read_json(path)), str(path))


def read_json(path: str | Path) -> dict[str, Any]:
    """Read the settings of a JSON file.

    Raises:
      LogoError: no such file, or not a JSON object.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LogoError(f"{path}: cannot read the config: {error.strerror}") from None
    except ValueError as error:
        raise LogoError(f"{path}: not a JSON config: {error}") from None
    if not isinstance(data, dict):
        raise LogoError(f"{path}: a config is a JSON object of settings")
    return data


def require(condition: bool, message: str) -> None:
    """Raise ``LogoError(message)`` unless the condition holds."""
    if not condition:
        raise LogoError(message)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        group = base.get(key)
        both = isinstance(group, dict) and isinstance(value, Mapping)
        merged[key] = _merged(group, value) if both and group is not None else value
    return merged


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Fit a JSON value to an annotation, without ever guessing."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, where)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise LogoError(
            f"{where}: {value!r} is not valid; {nearest(str(value), map(str, arguments))}"
        )
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(
                _convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)
            )
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return value
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    raise LogoError(f"{where}: expected {name}, got {value!r}")
