"""TFRecord files of TensorFlow Datasets: framing, features and flat lists of steps."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from logo_tf.data.formats.json_file import read_object
from logo_tf.errors import LogoError

FEATURES = "features.json"
# A record is parsed in memory whole, and its numbers take up to eight times its bytes.
_MAX_RECORD_BYTES = 128 * 2**20
_HEADER, _FOOTER = 12, 4  # a length of 8 bytes with its checksum; the content's checksum


class Leaf(NamedTuple):
    """A feature of each step: its shape and the name of its dtype."""

    shape: tuple[int, ...]
    dtype: str


def leaves_of(path: Path) -> dict[str, Leaf]:
    """Read the features of a step: `observation/left` -> its shape and dtype.

    Features that are not plain tensors of known shape (images, texts) are left out.

    Raises:
      LogoError: `features.json` is not readable, or its examples have no steps.
    """
    tree = read_object(path / FEATURES)
    try:
        steps = tree["featuresDict"]["features"]["steps"]["sequence"]["feature"]
        found = dict(_leaves(steps["featuresDict"]["features"], ""))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LogoError(
            f"{path / FEATURES}: its examples have no steps; is it an RLDS dataset?"
        ) from None
    return found


def _leaves(features: dict[str, Any], prefix: str) -> Iterator[tuple[str, Leaf]]:
    for name, feature in features.items():
        if "featuresDict" in feature:
            yield from _leaves(feature["featuresDict"]["features"], f"{prefix}{name}/")
        elif "tensor" in feature and feature["tensor"].get("encoding", "none") == "none":
            tensor = feature["tensor"]
            shape = tuple(int(size) for size in tensor["shape"].get("dimensions", ()))
            if min(shape, default=1) > 0:
                yield f"{prefix}{name}", Leaf(shape, str(tensor["dtype"]))


def count_records(file: Path) -> int:
    """Walk over a file's records without reading them.

    TensorFlow would trust a record's declared length and try to hold it.

    Raises:
      LogoError: a record is cut short, or too large to hold.
    """
    count, place, size = 0, 0, file.stat().st_size
    with file.open("rb") as stream:
        while place < size:
            stream.seek(place)
            header = stream.read(8)
            length = struct.unpack("<Q", header)[0] if len(header) == 8 else size
            place += _HEADER + length + _FOOTER
            if place > size:
                raise LogoError(f"{file}: record {count} is cut short; fetch the file again")
            if length > _MAX_RECORD_BYTES:
                raise LogoError(
                    f"{file}: record {count} has {length} bytes, at most "
                    f"{_MAX_RECORD_BYTES >> 20} MiB are read; split the episode"
                )
            count += 1
    return count


def read_records(files: list[Path]) -> Iterator[bytes]:
    """Yield every record, its checksum verified.

    Raises:
      LogoError: a checksum does not match.
    """
    import tensorflow as tf

    for file in files:
        try:
            for record in tf.data.TFRecordDataset(str(file)):
                yield record.numpy()
        except tf.errors.OpError as error:
            reason = " ".join(str(error.message).split())[:200]
            raise LogoError(f"{file}: not readable ({reason}); fetch the file again") from None


class Record:
    """One episode's record: the steps of each feature, one after the other."""

    def __init__(self, content: bytes, where: str) -> None:
        """Parse a record.

        Raises:
          LogoError: it is not a `tf.train.Example`.
        """
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        self._where = where
        try:
            example = tf.train.Example.FromString(content)
        except DecodeError:
            raise LogoError(f"{where}: its record is not a tf.train.Example") from None
        example.DiscardUnknownFields()  # so that the bytes of a list end in its numbers
        self._features = example.features.feature

    def flat(self, name: str) -> np.ndarray:
        """All numbers of a feature, in one row.

        Raises:
          LogoError: the record has no such feature, or no numbers in it.
        """
        feature = self._features.get(f"steps/{name}")
        kind = None if feature is None else feature.WhichOneof("kind")
        if kind not in ("float_list", "int64_list"):
            raise LogoError(f"{self._where}, {name}: its record holds no numbers of that name")
        numbers = getattr(feature, kind)
        if kind == "int64_list":
            return np.array(numbers.value, np.int64)
        # Python would make an object of each; they lie packed at the end of the list's bytes.
        content, count = numbers.SerializeToString(), len(numbers.value)
        return np.frombuffer(content, "<f4", count, len(content) - 4 * count)

    def array(self, name: str, leaf: Leaf, rows: int) -> np.ndarray:
        """(rows, *leaf.shape): a feature of every step.

        Raises:
          LogoError: as ``flat``, or there are too few or too many numbers.
        """
        values = self.flat(name)
        expected = rows * math.prod(leaf.shape)
        if len(values) != expected or not rows:
            raise LogoError(
                f"{self._where}, {name}: {len(values)} numbers, expected {expected} for {rows} "
                f"steps of shape {leaf.shape}"
            )
        if (values.dtype.kind == "f") != leaf.dtype.startswith(("float", "bfloat")):
            raise LogoError(f"{self._where}, {name}: not stored as {leaf.dtype}")
        return values.reshape(rows, *leaf.shape)
