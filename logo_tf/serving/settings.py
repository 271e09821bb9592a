"""Which models and which of their versions are served: ``models.config``, or a whole folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from logo_tf.errors import LogoError
from logo_tf.export.publishing import NAME, versions


class Policy(Protocol):
    """Which versions should serve."""

    def pick(self, available: list[int]) -> list[int]:
        """Of the versions on the disk, ascending, those that should serve."""


@dataclasses.dataclass(frozen=True)
class Latest:
    """The highest ``number`` versions."""

    number: int = 1

    def pick(self, available: list[int]) -> list[int]:
        """As ``Policy``."""
        return available[-self.number :]


@dataclasses.dataclass(frozen=True)
class Every:
    """All versions."""

    def pick(self, available: list[int]) -> list[int]:
        """As ``Policy``."""
        return available


@dataclasses.dataclass(frozen=True)
class Specific:
    """These versions, as far as they are there."""

    numbers: frozenset[int]

    def pick(self, available: list[int]) -> list[int]:
        """As ``Policy``."""
        return [number for number in available if number in self.numbers]


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """A model.

    Attributes:
      name: 1 to 64 letters, digits and underscores.
      folder: which its version folders stand in.
      policy: which of them serve.
      labels: label -> version.
    """

    name: str
    folder: Path
    policy: Policy = Latest()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Catalogue(Protocol):
    """Where the list of models comes from."""

    def models(self) -> list[ModelSettings]:
        """What should be served now."""


@dataclasses.dataclass(frozen=True)
class Folder:
    """Every folder of ``root`` that holds a version and may be a model's name."""

    root: Path

    def models(self) -> list[ModelSettings]:
        """As ``Catalogue``.

        Raises:
          OSError: the folder cannot be read.
        """
        children = sorted(child for child in self.root.iterdir() if NAME.fullmatch(child.name))
        return [ModelSettings(child.name, child) for child in children if versions(child)]


@dataclasses.dataclass(frozen=True)
class Listed:
    """Models that a config names."""

    listed: tuple[ModelSettings, ...]

    def models(self) -> list[ModelSettings]:
        """As ``Catalogue``."""
        return list(self.listed)


def read_config(file: Path, root: Path) -> Listed:
    """Read a ``models.config``, TensorFlow Serving's ``ModelServerConfig`` as text.

    Args:
      file: to read.
      root: what relative ``base_path`` are relative to.

    Raises:
      LogoError: it cannot be read, or what ``from_proto`` refuses.
    """
    config = model_server_config_pb2.ModelServerConfig()
    return from_proto(read_text_proto(file, config), root, str(file))


def read_text_proto(file: Path, message: Any) -> Any:
    """Fill a message from a file of text.

    Raises:
      LogoError: it cannot be read, or is not such a message.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LogoError(f"{file}: cannot be read: {error}") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        kind = message.DESCRIPTOR.name
        raise LogoError(f"{file}: line {error.GetLine()}: not a {kind}: {error}") from None


def from_proto(config: Any, root: Path, what: str) -> Listed:
    """Check a ``ModelServerConfig``.

    Args:
      config: the message.
      root: what relative ``base_path`` are relative to.
      what: names it in messages.

    Raises:
      LogoError: a model has no valid name, no folder, or another platform, is named twice, or
        a label is not one.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise LogoError(f"{what}: has no model_config_list")
    found = [_model(model, root, what) for model in config.model_config_list.config]
    for name in _repeated(model.name for model in found):
        raise LogoError(f"{what}: model {name!r} is listed twice")
    return Listed(tuple(found))


def _model(model: Any, root: Path, what: str) -> ModelSettings:
    for kind, text in (("name", model.name), *(("label", key) for key in model.version_labels)):
        if not NAME.fullmatch(text):
            raise LogoError(
                f"{what}: {kind} {text[:80]!r}: use 1 to 64 letters, digits and underscores"
            )
    if model.model_platform not in ("", "tensorflow"):
        raise LogoError(
            f"{what}: model {model.name}: model_platform is {model.model_platform!r}, "
            'only "tensorflow" can be served'
        )
    if not model.base_path:
        raise LogoError(f"{what}: model {model.name}: has no base_path")
    policy = _policy(model.model_version_policy)
    return ModelSettings(model.name, root / model.base_path, policy, dict(model.version_labels))


def _policy(chosen: Any) -> Policy:
    kind = chosen.WhichOneof("policy_choice")
    if kind == "all":
        return Every()
    if kind == "specific":
        return Specific(frozenset(chosen.specific.versions))
    return Latest(max(chosen.latest.num_versions, 1))


def _repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
