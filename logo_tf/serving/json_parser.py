"""JSON from strangers: parsed with the offset of what is wrong, and never too deep."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from logo_tf.serving.status import ServingError, invalid

# Deeper than any tensor, and far from where a parser that recurses runs out of stack.
_DEEPEST = 100
# One that does not end reaches to the end, so that no byte is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS = np.zeros(256, np.int8)
_STEPS[[*b"[{"]], _STEPS[[*b"]}"]] = 1, -1

# Python's words for what is wrong, and those that clients of TensorFlow Serving know.
_WORDS = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting ',' delimiter": "Missing a comma or ] after an array element.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}


def parse(body: bytes) -> Any:
    """Parse JSON in which ``NaN``, ``Infinity`` and ``-Infinity`` are numbers.

    Raises:
      ServingError: INVALID_ARGUMENT, it is not JSON, or nested too deep.
    """
    if not body.strip():
        raise invalid("JSON Parse error: The document is empty")
    if _depth(body) > _DEEPEST:
        raise invalid(f"JSON Parse error: nested deeper than {_DEEPEST} levels")
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise _wrong("Invalid encoding in string.", error.start) from None
    except json.JSONDecodeError as error:
        # Offsets are bytes to TensorFlow Serving, characters to Python.
        offset = len(error.doc[: error.pos].encode(errors="surrogatepass"))
        raise _wrong(_WORDS.get(error.msg, error.msg), offset) from None
    except ValueError:  # a whole number of more digits than Python reads
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None


def preview(value: Any) -> str:
    """The beginning of a value as JSON, for a message that names it."""
    encoder = json.JSONEncoder(separators=(",", ":"))
    text = ""
    for piece in encoder.iterencode(value):
        text += piece
        if len(text) > 200:
            return text[:200] + "..."
    return text


def _wrong(what: str, offset: int) -> ServingError:
    return invalid(f"JSON Parse error: {what} at offset: {offset}")


def _depth(body: bytes) -> int:
    """How deep lists and objects go; brackets within strings do not count."""
    most = body.count(b"[") + body.count(b"{")
    if most <= _DEEPEST:
        return most
    steps = _STEPS[np.frombuffer(_STRING.sub(b"", body), np.uint8)]
    return int(np.cumsum(steps[steps != 0], dtype=np.int32).max(initial=0))
