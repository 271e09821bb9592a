"""Jobs in processes of their own: how they end, and that none is left behind."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from logo_tf.artifacts import Manifest, load_manifest
from logo_tf.config import to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments.engines import LocalEngine, RayEngine, run_job
from logo_tf.experiments.experiment import EXPERIMENT_FILE
from logo_tf.experiments.jobs import DatasetJob
from logo_tf.experiments.matrix import Arm, ExperimentConfig

TASK = ("mamujoco/HalfCheetah-2x3", "random")


def prepared(folder, steps):
    """An experiment's folder in which nothing was made yet, and the name of its dataset's job."""
    config = ExperimentConfig((TASK[0],), (TASK[1],), (Arm("BC", "bc"),), dataset_steps=steps)
    manifest = Manifest(kind="experiment", spec={}, config=to_dict(config))
    (folder / EXPERIMENT_FILE).write_text(manifest.to_json())
    return DatasetJob(config, *TASK).name


def started(folder):
    """Wait until a job that takes long is at work; returns its process's number."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for place in Path("/proc").iterdir():
            if place.name.isdecimal() and place.name != "self":
                try:
                    words = (place / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                ours = b"logo_tf.experiments.worker" in words and str(folder).encode() in words
                if ours and any(folder.rglob("dataset.partial")):
                    return int(place.name)
        time.sleep(0.05)
    raise AssertionError("the job did not begin")


def gone(process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.05)
    return False


def test_a_job_leaves_its_artefact(tmp_path):
    name = prepared(tmp_path, 1000)
    outcome = run_job(str(tmp_path), name, 1)
    assert outcome.code == 0
    assert outcome.seconds > 0
    assert load_manifest(tmp_path / name, "dataset").config["steps"] == 1000


def test_a_failed_job_tells_its_last_line(tmp_path):
    name = prepared(tmp_path, 1000)
    (tmp_path / name).mkdir(parents=True)
    outcome = run_job(str(tmp_path), name, 1)
    assert outcome.code == 2
    assert outcome.last.endswith("dataset: not a logo_tf artefact (it has no manifest.json)")
    (log,) = (tmp_path / "logs").iterdir()
    assert outcome.last in log.read_text()


def test_a_folder_that_this_machine_does_not_see(tmp_path):
    outcome = run_job(str(tmp_path / "elsewhere"), "any", 1)
    assert outcome.code == 2
    assert "not on this machine; an experiment's folder must be shared" in outcome.last


def test_closing_ends_what_runs_and_what_waits(tmp_path):
    name = prepared(tmp_path, 100_000_000)
    engine = LocalEngine(1, 1)
    futures = [engine.submit(tmp_path, name) for _ in range(2)]
    process = started(tmp_path)
    engine.close()
    assert gone(process)
    assert futures[0].result(timeout=30).code == 1
    assert futures[1].cancelled()


def test_no_job_outlives_a_killed_experiment(tmp_path):
    name = prepared(tmp_path, 100_000_000)
    call = (
        f"from logo_tf.experiments.engines import run_job; run_job({str(tmp_path)!r}, {name!r}, 1)"
    )
    parent = subprocess.Popen([sys.executable, "-c", call])
    process = started(tmp_path)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(process)


def test_a_closed_engine_s_flag_ends_the_job(tmp_path):
    name = prepared(tmp_path, 100_000_000)
    closed = threading.Event()
    threading.Timer(0.5, closed.set).start()
    assert run_job(str(tmp_path), name, 1, closed).code == 1


@pytest.mark.parametrize(("workers", "threads"), [(0, 1), (1, 0)])
def test_there_is_a_worker_and_a_thread(workers, threads):
    with pytest.raises(LogoError, match="must be at least 1, got 0"):
        LocalEngine(workers, threads)


def test_without_ray_its_engine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LogoError, match=r"--engine ray needs Ray: pip install 'logo_tf\[ray\]'"):
        RayEngine(1, 1, None)
