"""What there is to ask: states of versions and their signatures, as TensorFlow Serving's protos."""

from __future__ import annotations

from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from logo_tf.serving.repository import Repository
from logo_tf.serving.servable import Servable
from logo_tf.serving.versions import Spec

Status = get_model_status_pb2.GetModelStatusResponse


def status(repository: Repository, spec: Spec) -> Any:
    """The ``GetModelStatusResponse`` of a model, or of one of its versions.

    Raises:
      ServingError: as ``Repository.status``.
    """
    response = Status()
    for version in repository.status(spec):
        added = response.model_version_status.add(version=version.number, state=int(version.state))
        if version.error is not None:
            added.status.error_code = int(version.error.code)
            added.status.error_message = version.error.message
    return response


def signatures(servable: Servable) -> Any:
    """The ``SignatureDefMap`` of a version."""
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.definitions.items():
        found.signature_def[name].CopyFrom(definition)
    return found
