"""One job of an experiment, as a process: ``python -m logo_tf.experiments.worker OUT JOB``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from logo_tf.errors import LogoError
from logo_tf.experiments.experiment import read_experiment
from logo_tf.experiments.jobs import jobs


def main(arguments: Sequence[str]) -> int:
    """Do the job.

    Args:
      arguments: the experiment's folder and the job's name.

    Returns:
      0, or 2 for what a user can mend, whose message is the last line of standard error.
    """
    folder, name = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    out = Path(folder)
    try:
        jobs(read_experiment(out))[name].make(out)
    except LogoError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _end_with_parent() -> None:
    """End at once when who waits for this process has ended; it resumes another time."""
    # Not sys.stdin.read(): its lock would be held when the interpreter shuts down.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
