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
from typing import TYPE_CHECKING

from logo_tf.cluster import read_cluster
from logo_tf.errors import LogoError

if TYPE_CHECKING:
    from logo_tf.replicas import Replicas


def import_replicas(name: str, *modules: str) -> Replicas:
    """``import_tensorflow`` for a verb that trains on a ``--strategy``, whose devices it returns.

    Several workers must meet before any of them wakes its devices.

    Args:
      name: of the strategy.
      *modules: of this package, those that the verb goes on to use.

    Raises:
      LogoError: as ``make_replicas``.
    """
    if name == "multiworker":
        read_cluster(os.environ)  # complains before the seconds that TensorFlow takes
        # A worker that is gone is said in one line, not in what TensorFlow makes of it.
        if not _wants_log():
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with silence():
        replicas: Replicas = importlib.import_module("logo_tf.replicas").make_replicas(name)
    import_tensorflow(*modules)
    return replicas


def import_tensorflow(*modules: str) -> None:
    """Import TensorFlow, wake its devices, and import further modules, all in silence.

    Does nothing where the user asked for TensorFlow's log (``--debug``, or an own
    ``TF_CPP_MIN_LOG_LEVEL`` below 2): the modules are then imported where they are used.

    Args:
      *modules: of this package, those that the verb goes on to use.
    """
    if _wants_log():
        return
    with silence():
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.list_logical_devices()
        for module in modules:
            importlib.import_module(module)


def _wants_log() -> bool:
    return os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") in ("0", "1")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep standard error, of C++ too, aside; what was said is shown if an error comes.

    Where the user asked for the log, nothing is kept.
    """
    if _wants_log():
        yield
        return
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
        except LogoError:
            raise  # says it all
        except BaseException:
            os.dup2(kept, original)
            aside.seek(0)
            os.write(original, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, original)
            os.close(kept)
