"""One version of a model in memory: its signatures, and a call of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf.serving.status import Code, ServingError, from_tensorflow, invalid
from logo_tf.serving.tensors import Tensor, from_proto

DEFAULT = "serving_default"
Arrays = Mapping[str, np.ndarray]


class Signature:
    """A signature that can be called.

    Attributes:
      name: its key.
      method: such as ``tensorflow/serving/predict``.
      inputs, outputs: name -> tensor, in alphabetical order.
      batched: whether rows of several requests may be one call: the first axis of every
        input and output is free. What a call draws at random then depends on its company.
    """

    def __init__(self, name: str, definition: Any, function: Any) -> None:
        self.name = name
        self.method: str = definition.method_name
        self.inputs = _tensors(definition.inputs)
        self.outputs = _tensors(definition.outputs)
        tensors = [*self.inputs.values(), *self.outputs.values()]
        self.batched = bool(self.inputs) and all(tensor.batched for tensor in tensors)
        self._function = function

    def read(self, protos: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Read inputs out of ``TensorProto``.

        Raises:
          ServingError: INVALID_ARGUMENT, a name, dtype or shape is wrong, or one is not whole.
        """
        self._check_names(protos)
        inputs = {name: from_proto(proto, self.inputs[name]) for name, proto in protos.items()}
        self.check(inputs)
        return inputs

    def check(self, inputs: Arrays) -> None:
        """Check names and shapes; dtypes are right already.

        Raises:
          ServingError: INVALID_ARGUMENT.
        """
        self._check_names(inputs)
        for name, value in inputs.items():
            self.inputs[name].check(value)

    def _check_names(self, names: Iterable[str]) -> None:
        given, wanted = set(names), set(self.inputs)
        if given != wanted:
            raise invalid(
                f"input size does not match signature: {len(given)}!={len(wanted)} "
                f"len({_set(given)}) != len({_set(wanted)}). Sent extra: "
                f"{_set(given - wanted)}. Missing but required: {_set(wanted - given)}."
            )

    def check_filter(self, names: Iterable[str]) -> None:
        """Check which outputs are asked for.

        Raises:
          ServingError: INVALID_ARGUMENT, one is unknown or named twice.
        """
        seen: set[str] = set()
        for name in names:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} "
                    f"Outputs expected to be in the set {_set(self.outputs)}."
                )
            if name in seen:
                raise invalid(f"duplicate output tensor alias: {name}")
            seen.add(name)

    def call(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run the graph; blocks.

        Raises:
          ServingError: what TensorFlow complains about.
        """
        try:
            tensors = {
                name: tf.constant(value, self.inputs[name].dtype) for name, value in inputs.items()
            }
            answers = self._function(**tensors)
            return {
                # Text of a single element would be an array of so many bytes.
                name: np.asarray(tensor.numpy(), object if tensor.dtype == tf.string else None)
                for name, tensor in answers.items()
            }
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None


class Servable:
    """A loaded version.

    Attributes:
      name: of the model.
      version: its number.
      signatures: name -> what can be called.
      definitions: the ``SignatureDef`` of every signature in the file, for metadata.
      examples: signature -> inputs that it has answered; of some, or of none.
    """

    def __init__(self, name: str, version: int, path: Path) -> None:
        """Load a SavedModel.

        Raises:
          OSError, ValueError, tf.errors.OpError: it cannot be loaded.
        """
        self.name = name
        self.version = version
        self.definitions = _definitions(path)
        self.examples: dict[str, Arrays] = {}
        # Signatures do not keep the variables that they read.
        self._loaded = tf.saved_model.load(str(path))
        self.signatures = {
            key: Signature(key, self.definitions[key], function)
            for key, function in self._loaded.signatures.items()
        }

    def signature(self, name: str = "") -> Signature:
        """The signature of that name, the default one of an empty name.

        Raises:
          ServingError: FAILED_PRECONDITION, there is none.
        """
        name = name or DEFAULT
        if name not in self.signatures:
            raise ServingError(
                Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        return self.signatures[name]


def _definitions(path: Path) -> dict[str, Any]:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return {name: _copy(found) for name, found in graph.signature_def.items()}
    raise ValueError("it holds no graph that is tagged 'serve'")


def _copy(definition: Any) -> Any:
    """Free of the graph around it, which may be large."""
    alone = type(definition)()
    alone.CopyFrom(definition)
    return alone


def _tensors(infos: Any) -> dict[str, Tensor]:
    return {name: _tensor(name, infos[name]) for name in sorted(infos)}


def _tensor(name: str, info: Any) -> Tensor:
    known = info.tensor_shape
    sizes = tuple(None if dim.size < 0 else int(dim.size) for dim in known.dim)
    return Tensor(name, tf.as_dtype(info.dtype), None if known.unknown_rank else sizes)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
