"""TensorFlow's start, without what it says about itself.

Before its logging is set up, TensorFlow writes to the terminal whatever
``TF_CPP_MIN_LOG_LEVEL`` is: that oneDNN is on, that there is no GPU, twice; and a
package below TF-Agents that it is unmaintained. None of it is for the user.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow(*modules: str) -> None:
    """Import TensorFlow, wake its devices, and import further modules, all in silence.

    Does nothing where the user asked for TensorFlow's log (``--debug``, or an own
    ``TF_CPP_MIN_LOG_LEVEL`` below 2): the modules are then imported where they are used.

    Args:
      *modules: of this package, those that the verb goes on to use.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") in ("0", "1"):
        return
    with _silence():
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.list_logical_devices()
        for module in modules:
            importlib.import_module(module)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep standard error, of C++ too, aside; what was said is shown if an error comes."""
    sys.stderr.flush()
    try:
        original = sys.__stderr__.fileno() if sys.__stderr__ is not None else -1
        kept = os.dup(original)
    except (OSError, ValueError):  # there is no standard error to silence
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), original)
        try:
            yield
        except BaseException:
            os.dup2(kept, original)
            aside.seek(0)
            os.write(original, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, original)
            os.close(kept)
