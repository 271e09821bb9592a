"""The import of a foreign dataset, or a plain read of its files, as a process that is measured."""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from processes import Parent

from logo_tf.data.formats.rlds_records import leaves_of
from logo_tf.data.importing import import_dataset

_BLOCK_BYTES = 2**25  # of an HDF5 array, read at once
ROLES = ("import", "read")


def main() -> None:
    """Answer the parent until it has no more requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=(*ROLES, "once"))
    parser.add_argument("format")
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    parent = Parent()
    with tempfile.TemporaryDirectory() as folder:
        role = "import" if arguments.role == "once" else arguments.role
        work = portion(role, arguments.format, arguments.path, Path(folder))
        if arguments.role == "once":
            work()
            parent.tell()
        else:
            parent.serve(work)
    os._exit(0)


def portion(role: str, name: str, path: Path, folder: Path) -> Callable[[], float]:
    """What does the whole file once more, and returns its size in MB.

    Args:
      role: one of ``ROLES``.
      name: of the format.
      path: what to read.
      folder: where datasets are made, a new one each time.
    """
    size, numbers = file_size(path) / 1e6, itertools.count()

    def imports() -> float:
        import_dataset(name, path, folder / str(next(numbers)))
        return size

    def reads() -> float:
        READERS[name](path)
        return size

    return imports if role == "import" else reads


def file_size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def read_hdf5(path: Path) -> int:
    """Read every array of one HDF5 file with h5py; return their bytes."""
    file = path if path.is_file() else next(path.rglob("*.h*5"))
    total = 0

    def read(name: str, found: Any) -> None:
        nonlocal total
        if isinstance(found, h5py.Dataset):
            step = max(_BLOCK_BYTES // (found.nbytes // len(found)), 1)
            for begin in range(0, len(found), step):
                total += found[begin : begin + step].nbytes

    with h5py.File(file, "r") as opened:
        opened.visititems(read)
    return total


def read_npy(path: Path) -> int:
    """Load every array of a folder with NumPy, one after the other; return their bytes."""
    return sum(np.load(file).nbytes for file in path.glob("*.npy"))


def read_tfrecord(path: Path) -> int:
    """Parse every record with TensorFlow's own operations; return the bytes of its numbers."""
    import tensorflow as tf

    kinds = {
        f"steps/{name}": tf.io.FixedLenSequenceFeature(
            (), tf.float32 if leaf.dtype.startswith("float") else tf.int64, allow_missing=True
        )
        for name, leaf in leaves_of(path).items()
    }
    records = tf.data.TFRecordDataset([str(file) for file in path.glob("*.tfrecord*")])
    return sum(
        values.nbytes
        for record in records.map(lambda one: tf.io.parse_single_example(one, kinds))
        for values in (tensor.numpy() for tensor in record.values())
    )


def read_vault(path: Path) -> int:
    """Read every written row of a Vault with tensorstore; return their bytes."""
    import tensorstore

    def opened(leaf: str) -> Any:
        kept = {"driver": "ocdbt", "base": f"file://{path}", "path": f"{leaf}/"}
        return tensorstore.open({"driver": "zarr", "kvstore": kept}, open=True, read=True).result()

    rows = int(opened("vault_index").read().result()[0])
    leaves = ("observations", "actions", "rewards", "terminals", "truncations", "infos.state")
    return sum(opened(f"{leaf}.")[:, :rows].read().result().nbytes for leaf in leaves)


READERS: dict[str, Callable[[Path], int]] = {
    "minari": read_hdf5,
    "omar": read_npy,
    "omiga": read_hdf5,
    "pymarl": read_hdf5,
    "rlds": read_tfrecord,
    "vault": read_vault,
}

if __name__ == "__main__":
    main()
