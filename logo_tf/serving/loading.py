"""A version on its way into memory: verified, scanned, loaded and warmed up.

Loading a SavedModel runs its graph. So its files are compared with the sha256 that
``manifest.json`` lists, and its ops with those that compute and do nothing else, before
TensorFlow is given any of it.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from logo_tf import artifacts
from logo_tf.errors import LogoError
from logo_tf.export.ops import require_allowed_ops
from logo_tf.export.warmup import read_warmup
from logo_tf.serving.servable import Servable
from logo_tf.serving.status import Code, ServingError, from_tensorflow


def load(name: str, version: int, path: Path, plain: bool) -> Servable:
    """Load a version; blocks.

    Args:
      name: of the model.
      version: its number.
      path: its folder.
      plain: whether a SavedModel without ``manifest.json`` will do.

    Raises:
      ServingError: it may not be loaded, or cannot.
    """
    try:
        if (path / artifacts.MANIFEST).exists() or not plain:
            artifacts.verify(path, "export")
        require_allowed_ops(path)
        servable = Servable(name, version, path)
        _warm_up(servable, path)
    except LogoError as error:
        raise ServingError(Code.FAILED_PRECONDITION, str(error)) from None
    except ServingError as error:
        raise ServingError(error.code, f"{path}: {error.message}") from None
    except tf.errors.OpError as error:
        failed = from_tensorflow(error)
        raise ServingError(failed.code, f"{path}: {failed.message}") from None
    # A SavedModel that is broken in a way nobody foresaw must not end the server.
    except Exception as error:
        text = f"{path}: cannot be loaded: {error!r}"
        raise ServingError(Code.INTERNAL, text) from error
    return servable


def _warm_up(servable: Servable, path: Path) -> None:
    """Answer the recorded requests, so that the first of a client does not pay for tracing.

    The first of each signature is kept as an example.

    Raises:
      LogoError: they cannot be read, or are too many.
      ServingError: one of them cannot be answered.
    """
    for number, exchange in enumerate(read_warmup(path)):
        try:
            signature = servable.signature(exchange.signature)
            signature.check(exchange.inputs)
            signature.call(exchange.inputs)
        except ServingError as error:
            raise ServingError(error.code, f"warm-up record {number}: {error.message}") from None
        servable.examples.setdefault(signature.name, exchange.inputs)
