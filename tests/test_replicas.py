"""Replicas train as one device would: its losses, its rows, and one line where a worker dies."""

import importlib.util
import re
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.cluster import Cluster
from logo_tf.data import pipeline
from logo_tf.data.store import write_dataset
from logo_tf.errors import LogoError
from logo_tf.replicas import ALONE, Replicas, draw_rows, global_sums, make_replicas

_FILE = Path(__file__).with_name("together.py")
_SPEC = importlib.util.spec_from_file_location("together", _FILE)
together = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(together)

CONTINUOUS, DISCRETE = "continuous", "discrete"


class FakeStrategy:
    """Of so many replicas."""

    def __init__(self, count):
        self.num_replicas_in_sync = count


def workers_of(count, replicas):
    addresses = tuple(f"localhost:{i}" for i in range(count))
    return [Replicas(FakeStrategy(replicas), Cluster(i, addresses)) for i in range(count)]


@pytest.mark.parametrize(("count", "replicas"), [(2, 2), (3, 3), (2, 4)])
def test_workers_read_disjoint_rows_that_make_up_the_batch(count, replicas, tiny_dataset):
    """Five real rows and seven imagined ones: no part has to be shared equally by itself."""
    dataset = tiny_dataset(CONTINUOUS)
    (whole,) = pipeline.transitions(dataset, None, 5, seed=3, start=2).take(1)
    parts, sizes = [], []
    for worker in workers_of(count, replicas):
        real, imagined = worker.rows(5), worker.rows(7, first=5)
        (rows,) = pipeline.transitions(dataset, None, 5, seed=3, start=2, only=real).take(1)
        np.testing.assert_array_equal(rows.state, whole.state.numpy()[real])
        parts.append([*real, *(imagined + 5)])
        sizes.append(len(parts[-1]))
    assert sorted(np.concatenate(parts)) == list(range(12))
    assert set(sizes) == {12 // count}


def test_alone_nothing_is_shared():
    assert ALONE.rows(5) is None
    assert (ALONE.count, ALONE.workers, ALONE.chief) == (1, 1, True)
    value = tf.constant(2.0)
    assert global_sums(value, value) == (value, value)
    assert draw_rows(tf.zeros, (3, 2)).shape == (3, 2)
    assert make_replicas("none") is ALONE


def test_a_batch_must_be_shared_equally():
    three = Replicas(FakeStrategy(3))
    three.require_shares(9, "rows")
    with pytest.raises(LogoError, match="a batch of 8 rows cannot be shared equally by 3 replicas"):
        three.require_shares(8, "rows")


def test_workers_must_be_told_the_same(tmp_path):
    chief, _ = workers_of(2, 2)
    chief._of_all = lambda values: np.stack([values, values + 1])
    with (
        pytest.raises(LogoError, match="worker 1 was started with other settings or data"),
        chief.writing(tmp_path / "out", {"seed": 1}),
    ):
        pass


def test_a_worker_that_does_not_see_the_chiefs_folder(tmp_path):
    _, other = workers_of(2, 2)
    other._of_all = lambda values: np.stack([values, values])
    with (
        pytest.raises(LogoError, match="all workers need one --out on a disk that they share"),
        other.writing(tmp_path / "out", {"seed": 1}),
    ):
        pass


def test_the_end_is_not_missed_where_the_chief_was_faster(tmp_path):
    _, other = workers_of(2, 2)
    out = tmp_path / "out"
    with artifacts.writing(out, {"seed": 1}) as aside:
        other._of_all = lambda values: np.stack([values, values])
        with other.writing(out, {"seed": 1}) as found:
            assert found == aside
            artifacts.publish(out, artifacts.Manifest(kind="policy", spec={}))

            def gone(values):
                raise LogoError("worker 0 of 2 is gone")

            other._of_all = gone


def test_a_strategy_that_is_none_of_ours():
    with pytest.raises(LogoError, match="did you mean 'mirrored'"):
        make_replicas("mirored")


@pytest.fixture(scope="module")
def data(tmp_path_factory, continuous_spec, discrete_spec, make_episodes):
    """Where twenty toy episodes of each kind are."""
    folder = tmp_path_factory.mktemp("data")
    for spec in (continuous_spec, discrete_spec):
        made = make_episodes(spec, 20)
        write_dataset(folder / spec.action_kind, spec, made, config={}, provenance={})
    return {kind: str(folder / kind) for kind in (CONTINUOUS, DISCRETE)}


def assert_equal_losses(one, other, trainings):
    for name, *_ in trainings:
        ours, theirs = together.metrics(one / name), together.metrics(other / name)
        assert len(ours) == len(theirs) >= 6
        for a, b in zip(ours, theirs, strict=True):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-5), name


def train_alone(out, trainings):
    for training in trainings:
        together.train(out, ALONE, *training)


LONG = ["kind=monolithic", "unroll=1", "steps=200", "validate_every=40", "patience=99"]


def quick(data, *kinds):
    """Trainings that are traced in a few seconds."""
    model = ["model", data[CONTINUOUS], "model", ["kind=monolithic", "unroll=1"]]
    return [model, *([kind, data[kind], "bc", []] for kind in kinds)]


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """Where one device has made the quick trainings."""
    out = tmp_path_factory.mktemp("alone")
    train_alone(out, quick(data, CONTINUOUS, DISCRETE))
    return out


@pytest.fixture(scope="module")
def two_workers(data, tmp_path_factory):
    """Where two workers have made them, and ``long``, which another job is killed in."""
    out = tmp_path_factory.mktemp("together")
    long = ["long", data[CONTINUOUS], "model", LONG]
    together.run_workers(out, [long, *quick(data, CONTINUOUS, DISCRETE)])
    return out


def test_two_devices_have_the_losses_of_one(data, alone, tmp_path):
    trainings = quick(data, CONTINUOUS)
    together.run("mirrored", tmp_path, trainings)
    assert_equal_losses(alone, tmp_path, trainings)


def test_two_workers_have_the_losses_of_one(data, alone, two_workers):
    assert_equal_losses(alone, two_workers, quick(data, CONTINUOUS, DISCRETE))


@pytest.mark.long
def test_two_workers_imagine_and_learn_values_as_one_does(data, tmp_path):
    trainings = [
        ["model", data[DISCRETE], "model", []],
        ["continuous", data[CONTINUOUS], "matd3bc", []],
        ["discrete", data[DISCRETE], "macql", [], "model"],
    ]
    train_alone(tmp_path / "one", trainings)
    together.run_workers(tmp_path / "two", trainings)
    assert_equal_losses(tmp_path / "one", tmp_path / "two", trainings)


@pytest.mark.long
@pytest.mark.parametrize("kind", [CONTINUOUS, DISCRETE])
def test_every_algorithm_and_world_model_on_two_devices(kind, data, tmp_path):
    algorithms = ["macql", "cfcql", "icq", "omiga", *(["omar"] if kind == CONTINUOUS else [])]
    windows = {"icq": ["window=2"], "omiga": ["window=2"]}
    trainings = [
        ["logo", data[kind], "model", ["logo.memory=4", "logo.burn_in=2"]],
        ["ensemble", data[kind], "model", ["kind=ensemble"]],
        ["mamba", data[kind], "model", ["kind=mamba", "mamba.latents=sampled", "mamba.burn_in=2"]],
        *([name, data[kind], name, windows.get(name, []), "logo"] for name in algorithms),
    ]
    train_alone(tmp_path / "one", trainings)
    together.run("mirrored", tmp_path / "two", trainings)
    assert_equal_losses(tmp_path / "one", tmp_path / "two", trainings)


def start_command(out, data):
    words = ["model", "train", "--strategy", "multiworker", "--data", data, "--out", str(out)]
    words = ["-m", "logo_tf", *words, "--seed", "5", "--set", *together.MODEL, *LONG]
    return [together.spawn(words, told) for told in together.workers()]


@pytest.mark.slow
def test_a_killed_worker_ends_the_job_in_one_line_and_it_resumes_to_the_same(
    data, two_workers, tmp_path
):
    out = tmp_path / "model"
    chief, other = start_command(out, data[CONTINUOUS])
    checkpoint = disk.partial(out) / "checkpoints" / "ckpt-40.index"
    deadline = time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < deadline and other.poll() is None:
        time.sleep(0.02)
    other.kill()
    _, said = chief.communicate(timeout=200)
    other.communicate()
    assert chief.returncode == 2, said[-3000:]
    last = re.split("[\n\r]", said.strip())[-1]
    assert last.startswith("logo-tf: worker 1 of 2 is gone; the last checkpoint is kept"), said
    assert "Traceback" not in said
    for process in start_command(out, data[CONTINUOUS]):
        together.finish(process)
    ours, theirs = (artifacts.load_manifest(x).files for x in (out, two_workers / "long"))
    assert ours == theirs
