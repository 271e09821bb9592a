"""What the tests of whole experiments share: an engine of this process."""

import time
from concurrent.futures import Future

import pytest

from logo_tf.errors import LogoError
from logo_tf.experiments.engines import Outcome
from logo_tf.experiments.experiment import read_experiment
from logo_tf.experiments.jobs import jobs


class Here:
    """An engine that does jobs in this process, where TensorFlow is, and remembers which."""

    slots = 1

    def __init__(self, workers=1, threads=1):
        self.done = []

    def submit(self, out, job):
        self.done.append(job)
        future, begun = Future(), time.monotonic()
        code, last = 0, ""
        try:
            jobs(read_experiment(out))[job].make(out)
        except LogoError as error:
            code, last = 2, str(error)
        future.set_result(Outcome(code, last, time.monotonic() - begun))
        return future

    def close(self):
        pass


@pytest.fixture(scope="session")
def here():
    """The class of such engines; it takes what a ``LocalEngine`` does."""
    return Here
