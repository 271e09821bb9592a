import pytest
import tensorflow as tf

from logo_tf.agents.telemetry import HealthCheck, RunningMeans, Selected
from logo_tf.errors import LogoError


class Lines:
    def __init__(self):
        self.lines = []

    def write(self, step, metrics):
        self.lines.append((step, dict(metrics)))

    def close(self):
        pass


def watch(log_every=2, last=5, limit=10.0):
    means, lines = RunningMeans(("loss", "q_data")), Lines()
    return means, lines, HealthCheck(means, lines, log_every, last, limit, lambda: {"more": 7.0})


def add(means, loss, q):
    means.add([tf.constant(loss), tf.constant(q)])


def test_means_start_anew():
    means, _, _ = watch()
    add(means, 1.0, 0.0)
    add(means, 3.0, 1.0)
    assert means.take() == {"loss": 2.0, "q_data": 0.5}
    add(means, 5.0, 0.0)
    assert means.take()["loss"] == 5.0


def test_logs_every_so_many_steps_and_at_the_end():
    means, lines, check = watch()
    for step in range(1, 6):
        add(means, float(step), 0.0)
        check(step)
    assert [step for step, _ in lines.lines] == [2, 4, 5]
    assert [line["loss"] for _, line in lines.lines] == [1.5, 3.5, 5.0]
    assert all(line["more"] == 7.0 for _, line in lines.lines)
    assert check.latest == {"loss": 5.0, "q_data": 0.0, "more": 7.0}


def test_not_finite_names_the_step():
    means, _, check = watch()
    add(means, float("nan"), 0.0)
    with pytest.raises(LogoError, match="loss became nan at step 2; the last checkpoint is kept"):
        check(2)


def test_diverging_critics_name_the_step():
    means, _, check = watch()
    add(means, 0.0, -11.0)
    with pytest.raises(LogoError, match="q_data reached -11 at step 2.*critics diverge"):
        check(2)


def test_selected_hands_on_what_is_there():
    lines = Lines()
    logger = Selected(lines, ("a", "b"))
    logger.write(3, {"a": 1.0, "c": 2.0})
    logger.close()
    assert lines.lines == [(3, {"a": 1.0})]
