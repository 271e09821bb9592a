"""Why a request failed: absl's status codes, which REST and gRPC both speak."""

from __future__ import annotations

import enum

import tensorflow as tf

# Clients log messages and gRPC carries them in a header, so a request is never echoed whole.
_LONGEST = 1000
_PREAMBLE = ("Graph execution error", "Detected at node", "<stack traces")


class Code(enum.IntEnum):
    """absl's codes, with the numbers that gRPC and TensorFlow give them too."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP = {
    Code.OK: 200,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.CANCELLED: 499,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}


class ServingError(Exception):
    """A request that cannot be answered.

    Attributes:
      code: why.
      message: for the client, in the words that TensorFlow Serving uses where it has some.
    """

    def __init__(self, code: Code, message: str) -> None:
        self.code = code
        self.message = shortened(message)
        super().__init__(self.message)

    @property
    def http(self) -> int:
        """The status of the REST answer."""
        return HTTP.get(self.code, 500)


def invalid(message: str) -> ServingError:
    """An ``INVALID_ARGUMENT``."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """A ``NOT_FOUND``."""
    return ServingError(Code.NOT_FOUND, message)


def from_tensorflow(error: tf.errors.OpError) -> ServingError:
    """What TensorFlow complained about while a graph ran."""
    lines = [line.partition(" [Op:")[0] for line in str(error.message).splitlines()]
    # It says first that it does, and where in Python, which a SavedModel no longer knows.
    told = [line for line in lines if line.strip() and not line.startswith(_PREAMBLE)]
    return ServingError(Code(error.error_code), told[0] if told else str(error.message))


def shortened(text: str) -> str:
    """The text, cut where it is too long to send back."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
