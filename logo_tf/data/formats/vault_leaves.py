"""A Vault's arrays, opened with tensorstore alone, each checked before it is read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf.data.formats.flat import require_rows
from logo_tf.data.formats.json_file import read_object
from logo_tf.errors import LogoError

METADATA = "metadata.json"
MANIFEST = "manifest.ocdbt"
_VERSION = 1  # flashbax, too, reads what has its own major version
# Axes after (1, rows). The last four may be missing.
_RANKS = {
    "observations": (2,),
    "actions": (1, 2),
    "rewards": (1,),
    "terminals": (1,),
    "truncations": (1,),
    "infos.state": (1, 2),
    "infos.legals": (2,),
}
_NEEDED = ("observations", "actions", "rewards", "terminals")
_MAX_CHUNK_BYTES = 128 * 2**20
# Chunks span many episodes: without a cache each would be decompressed for every one.
_CACHE_BYTES = 256 * 2**20
# What DEFLATE, zstd and blosc reach on arrays is far below; more is a hostile file.
_MAX_EXPANSION = 1032


class Leaves:
    """The arrays of a Vault by name; rows are read as they are asked for.

    Attributes:
      rows: how many were written; the arrays themselves are declared far longer.
      shapes: name -> shape of one row: ``observations`` (N, O), ``actions`` (N,) or (N, A),
        ``rewards``, ``terminals`` and ``truncations`` (N,), ``infos.state`` (S,) or (N, S),
        ``infos.legals`` (N, A).
    """

    def __init__(self, path: Path) -> None:
        """Open a Vault's folder.

        Raises:
          LogoError: not a Vault, of another version, an array is missing, not of
            numbers or of the wrong rank, declares more than is stored, or tensorstore
            is not installed.
        """
        self._path = path
        self._tensorstore = _tensorstore()
        self._context = self._tensorstore.Context(
            {"cache_pool": {"total_bytes_limit": _CACHE_BYTES}}
        )
        metadata = read_object(path / METADATA)
        version = metadata.get("version")
        if not isinstance(version, int | float) or not _VERSION <= version < _VERSION + 1:
            raise LogoError(
                f"{path / METADATA}: version {version!r}, versions {_VERSION}.x are read; "
                "write the Vault again with flashbax 0.1"
            )
        names = _names(metadata.get("structure_shape"))
        for name in _NEEDED:
            if name not in names:
                raise LogoError(f"{path}: has no array {name!r}; is it a Vault of OG-MARL?")
        self.rows = self._count()
        self._stores = {name: self._open(f"{name}.") for name in _RANKS if name in names}
        self.shapes = {name: tuple(store.shape[2:]) for name, store in self._stores.items()}
        self._check_shapes()

    def __contains__(self, name: str) -> bool:
        return name in self._stores

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays together."""
        return sum(
            max(4, store.dtype.numpy_dtype.itemsize) * math.prod(self.shapes[name])
            for name, store in self._stores.items()
        )

    def read(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return some rows of an array, without its leading axis of 1.

        Raises:
          LogoError: the array is damaged there.
        """
        with self._readable(f"{name}, rows {start} to {stop - 1}"):
            return np.asarray(self._stores[name][0, start:stop].read().result())

    def _count(self) -> int:
        store = self._open("vault_index")
        if tuple(store.shape) != (1,) or store.dtype.numpy_dtype.kind not in "iu":
            raise LogoError(f"{self._path}: vault_index has shape {store.shape}, expected one int")
        with self._readable("vault_index"):
            rows = int(store.read().result()[0])
        require_rows(self._path, rows)
        return rows

    def _open(self, leaf: str) -> Any:
        spec = {
            "driver": "zarr",
            "kvstore": {
                "driver": "ocdbt",
                "base": {"driver": "file", "path": f"{self._path.resolve()}/"},
                "path": f"{leaf}/",
            },
            "recheck_cached_data": False,
        }
        with self._readable(leaf):
            opened = self._tensorstore.open(spec, open=True, read=True, context=self._context)
            store = opened.result()
            chunk = math.prod(store.chunk_layout.read_chunk.shape)
            dtype = store.dtype.numpy_dtype
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise LogoError(f"{self._path}: {leaf} has dtype {dtype}, expected plain numbers")
        if chunk * dtype.itemsize > _MAX_CHUNK_BYTES:
            raise LogoError(
                f"{self._path}: {leaf} is stored in chunks of more than "
                f"{_MAX_CHUNK_BYTES >> 20} MiB; write it in smaller ones"
            )
        return store

    def _check_shapes(self) -> None:
        for name, store in self._stores.items():
            shape = tuple(store.shape)
            if len(shape) - 2 not in _RANKS[name] or 0 in shape:
                raise LogoError(f"{self._path}: {name} has shape {shape}; is it OG-MARL's?")
            if shape[0] != 1:
                raise LogoError(f"{self._path}: {name} has a batch axis of {shape[0]}, expected 1")
            if shape[1] < self.rows:
                raise LogoError(f"{self._path}: {name} has {shape[1]} rows, expected {self.rows}")
            agents = self.shapes["observations"][0]
            each = name != "infos.state" or len(shape) == 4
            if each and shape[2] != agents:
                raise LogoError(f"{self._path}: {name} has {shape[2]} agents, expected {agents}")
        stored = sum(file.stat().st_size for file in self._path.rglob("*") if file.is_file())
        if self.rows * self.row_bytes > _MAX_EXPANSION * stored:
            raise LogoError(
                f"{self._path}: declares {self.rows} rows of {self.row_bytes} bytes, but stores "
                f"only {stored} bytes; it is cut short or hostile"
            )

    @contextlib.contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (
            ValueError,
            OSError,
            RuntimeError,
            LookupError,
            TypeError,
            ArithmeticError,
        ) as error:
            reason = " ".join(str(error).split())[:200]
            raise LogoError(
                f"{self._path}, {what}: not readable ({reason}); fetch the Vault again"
            ) from None


def _names(structure: Any, prefix: str = "") -> set[str]:
    if not isinstance(structure, dict):
        return set()
    inner = structure.get("infos") if not prefix else None
    return {f"{prefix}{name}" for name in structure} | (_names(inner, "infos.") if inner else set())


def _tensorstore() -> Any:
    try:
        import tensorstore
    except ImportError:
        raise LogoError(
            "reading a Vault needs tensorstore, which is not installed; "
            "run: pip install 'logo_tf[vault]'"
        ) from None
    return tensorstore
