"""In which order jobs are handed to an engine, with jobs that do nothing."""

from concurrent.futures import Future

import pytest
from rich.console import Console

from logo_tf.experiments.engines import Outcome
from logo_tf.experiments.experiment import _Schedule
from logo_tf.experiments.job import There


class Mark:
    """A job that is there once it was done."""

    kind = "evaluation"

    def __init__(self, name, *needs):
        self.name, self.needs, self.made = name, dict(enumerate(needs)), False

    def there(self, out):
        return There.ALL if self.made else There.NOTHING


class Counting:
    """An engine of some slots, whose jobs end at once."""

    def __init__(self, jobs, slots, failing=()):
        self.jobs, self.slots, self.failing = jobs, slots, failing
        self.begun = []

    def submit(self, out, job):
        self.begun.append(job)
        future = Future()
        self.jobs[job].made = job not in self.failing
        future.set_result(Outcome(int(job in self.failing), "", 1.0))
        return future


def schedule(tmp_path, slots, failing=()):
    every = [Mark("data")]
    for seed in "01":
        every += [
            Mark(f"model {seed}", "data"),
            Mark(f"policy {seed}", "data", f"model {seed}"),
            Mark(f"returns {seed}", f"policy {seed}"),
        ]
    jobs = {job.name: job for job in every}
    engine = Counting(jobs, slots, failing)
    failed = _Schedule(jobs, tmp_path, engine, Console(quiet=True)).run()
    return engine.begun, set(failed), list(jobs)


def test_one_seed_is_finished_before_the_next_begins(tmp_path):
    begun, failed, order = schedule(tmp_path, slots=1)
    assert begun == order
    assert not failed


@pytest.mark.parametrize("slots", [2, 5])
def test_with_room_for_more_each_job_comes_after_those_it_needs_and_once(tmp_path, slots):
    begun, failed, order = schedule(tmp_path, slots)
    assert sorted(begun) == sorted(order)
    for seed in "01":
        places = [begun.index(f"{what} {seed}") for what in ("model", "policy", "returns")]
        assert places == sorted(places)
    assert not failed


def test_what_does_not_need_a_failed_job_is_done(tmp_path):
    begun, failed, _ = schedule(tmp_path, 1, failing={"model 0"})
    assert begun == ["data", "model 0", "model 1", "policy 1", "returns 1"]
    assert failed == {"model 0"}
