"""Seeds are passed, never global: one integer becomes independent streams by name."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 31-bit seed for one purpose; other names give unrelated ones.

    >>> derive(0, "world_model") == derive(0, "world_model")
    True
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") & 0x7FFFFFFF


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(derive(seed, *names))


def pair(seed: int, *names: str | int) -> tuple[int, int]:
    """The two-integer seed that TensorFlow's stateless ops take."""
    return derive(seed, *names, 0), derive(seed, *names, 1)
