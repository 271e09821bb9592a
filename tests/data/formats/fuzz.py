"""Damage valid files at random: an importer may refuse them in one line, and nothing else.

    python tests/data/formats/fuzz.py --mutations 1000

needs the seconds that 50 mutations a format do not (``test_fuzz.py`` runs those), and
prints what each format's files came to. Seeds are fixed: a failure comes again.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import resource
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from logo_tf.data.formats.protocol import ImportOptions
from logo_tf.data.formats.registry import format_names, get_format
from logo_tf.data.validate import check_episode
from logo_tf.errors import LogoError

HERE = Path(__file__).parent


def seed_file(name: str, folder: Path) -> Path:
    """Write a small valid dataset of a format."""
    if name == "pymarl":
        path = folder / "toy.h5"
        with h5py.File(path, "w") as file:
            for key, values in runpy.run_path(str(HERE.parent / "conftest.py"))[
                "small_file"
            ]().items():
                file.create_dataset(key, data=values, compression="gzip")
        return path
    shared = runpy.run_path(str(HERE / "conftest.py"))
    write, kinds = shared["WRITERS"][name]
    return Path(write(folder, shared["toy"](**kinds[-1])))


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip, overwrite, cut out, repeat or cut short."""
    data = bytearray(content)
    start = int(rng.integers(0, max(1, len(data))))
    size = int(rng.integers(1, 9)) if rng.random() < 0.7 else int(rng.integers(1, 200))
    how = rng.integers(0, 5)
    if how == 0:
        for place in rng.integers(0, max(1, len(data)), size):
            data[place : place + 1] = bytes([int(rng.integers(0, 256))])
    elif how == 1:
        data[start : start + size] = bytes([int(rng.choice([0, 1, 0x7F, 0xFF]))]) * size
    elif how == 2:
        del data[start : start + size]
    elif how == 3:
        data[start:start] = data[start : start + size]
    else:
        del data[start:]
    return bytes(data)


def outcomes(name: str, path: Path, mutations: int) -> Iterator[tuple[int, str]]:
    """Damage one file at a time and import; yield the mutation and what came of it.

    Raises:
      AssertionError: a message of more than one line.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) or [path]
    for mutation in range(mutations):
        rng = np.random.default_rng([len(name), mutation])
        file = files[int(rng.integers(0, len(files)))]
        whole = file.read_bytes()
        file.write_bytes(damaged(whole, rng))
        how = "drop-episode" if mutation % 2 else "refuse"
        try:
            imported = get_format(name).read(path, ImportOptions(on_error=how))  # type: ignore[arg-type]
            for found in imported.found:
                with contextlib.suppress(LogoError):
                    if not isinstance(found.content, LogoError):
                        check_episode(found.content, imported.spec, found.where)
            yield mutation, "read"
        except LogoError as error:
            message = str(error)
            assert "\n" not in message, message
            assert len(message) < 1000, message
            yield mutation, "refused"
        finally:
            file.write_bytes(whole)


def main() -> None:
    """Fuzz every format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--formats", nargs="*", default=format_names())
    arguments = parser.parse_args()
    for name in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            path = seed_file(name, Path(folder))
            found = collections.Counter(o for _, o in outcomes(name, path, arguments.mutations))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{name}: {dict(found)}, peak memory so far {peak:.2f} GiB", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
