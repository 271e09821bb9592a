"""Classify and regress: what such requests are told."""

from __future__ import annotations

from typing import NoReturn

from logo_tf.serving.servable import Signature
from logo_tf.serving.status import Code, ServingError, invalid

_NOUNS = {"classify": "classification", "regress": "regression"}


def refuse_examples(signature: Signature, api: str) -> NoReturn:
    """Refuse a request that brings ``tf.Example``, as nothing exported here takes them.

    Args:
      signature: that it is for.
      api: ``classify`` or ``regress``.

    Raises:
      ServingError: INVALID_ARGUMENT, the signature is of another kind, as TensorFlow Serving
        says it; UNIMPLEMENTED, it is of that kind.
    """
    method = f"tensorflow/serving/{api}"
    if signature.method != method:
        raise invalid(
            f"Expected {_NOUNS[api]} signature method_name to be {method}. Was: {signature.method}"
        )
    raise ServingError(
        Code.UNIMPLEMENTED,
        f"{api} is not implemented; ask the signature {signature.name} with "
        "predict, or run TensorFlow Serving",
    )
