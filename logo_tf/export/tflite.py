"""One function as a TFLite flatbuffer: builtin ops alone, in the precision asked for."""

from __future__ import annotations

import re

import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.export import signatures
from logo_tf.export.options import Precision


def convert(traced: signatures.Traced, what: str, precision: Precision = "float32") -> bytes:
    """Convert a signature into a TFLite flatbuffer.

    From the function itself: ``from_saved_model`` on an export that held a Keras 3
    model gave a small file that answers NaN, without any error.

    Args:
      traced: the signature.
      what: the file, for messages.
      precision: of the weights. Inputs, outputs and sums are float32 always; ``int8``
        is TFLite's dynamic range quantisation, which leaves small layers as they are.

    Raises:
      LogoError: it needs an op that is not builtin.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.function], traced.module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except Exception as error:
        # The converter's error class is private; it alone is expected here.
        if type(error).__name__ != "ConverterError":
            raise
        ops = re.search(r"^(?:Custom|TF Select) ops: (.+)$", str(error), re.MULTILINE)
        reason = ops[1].strip() if ops else str(error).splitlines()[0]
        raise LogoError(f"{what}: TFLite's builtin ops cannot do it: {reason}") from None


def require_builtin(content: bytes, what: str) -> None:
    """Check a flatbuffer's operator codes.

    Raises:
      LogoError: it holds a custom op, or one of TensorFlow's (Flex).
    """
    from ai_edge_litert import schema_py_generated as schema

    codes = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).operatorCodes
    custom = [code.customCode for code in codes if code.customCode is not None]
    if custom:
        names = ", ".join(sorted(c.decode() if isinstance(c, bytes) else c for c in custom))
        raise LogoError(f"{what}: holds ops that are not TFLite builtins: {names}")
