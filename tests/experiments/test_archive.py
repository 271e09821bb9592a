"""Evidence kept without datasets and weights: the same results, and more can be added to it."""

import json
import shutil

import pytest

from logo_tf.artifacts import load_manifest, verify_rest
from logo_tf.cli.main import main
from logo_tf.config import to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments import jobs as experiment_jobs
from logo_tf.experiments.archive import archive
from logo_tf.experiments.experiment import experiment
from logo_tf.experiments.matrix import Arm, ExperimentConfig, ModelArm, PlannedArm, Task
from logo_tf.experiments.results import read_results
from logo_tf.experiments.results_report import write_results

pytestmark = pytest.mark.slow
CONFIG = ExperimentConfig(
    scenarios=("mamujoco/HalfCheetah-2x3",),
    qualities=("random",),
    models=(ModelArm("logo"),),
    arms=(Arm("BC", "bc"), Arm("LOGO", "macql", "logo")),
    seeds=(0,),
    dataset_steps=4000,
    policy=(
        "width=16",
        "steps=20",
        "batch_size=32",
        "log_every=10",
        "checkpoint_every=20",
        "imagination.horizon=2",
        "imagination.branches=64",
    ),
    world_model=(
        "width=16",
        "unroll=1",
        "steps=20",
        "batch_size=32",
        "log_every=10",
        "validate_every=20",
        "validation_windows=16",
    ),
    episodes=1,
    reference_episodes=1,
    curve_every=20,
    curve_episodes=1,
)
PLANNED = PlannedArm(
    "LOGO, planned", "LOGO", ("planner.horizon=1", "planner.candidates=3", "planner.elites=1")
)
TASK = "mamujoco-HalfCheetah-2x3/random"
FILES = ("results.csv", "results.md", "report.html")


@pytest.fixture(scope="module")
def run(here):
    """``run(config, out)`` an experiment: the jobs that were done, and what failed."""

    def run(config, out):
        engine = here()
        failed = experiment(config, out, engine)
        return engine.done, failed

    return run


def report(config, out):
    write_results(read_results(config, out), out)
    return [(out / name).read_text() for name in FILES]


def change(**fields):
    return ExperimentConfig(**{**vars(CONFIG), **fields})


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "tiny"
    assert len(run(CONFIG, out)[0]) == 7
    report(CONFIG, out)
    return out


@pytest.fixture
def kept(whole, tmp_path):
    assert archive(CONFIG, whole, tmp_path / "kept") == 7
    return tmp_path / "kept"


def test_an_archive_is_small_and_gives_the_same_results_without_a_job(run, whole, kept):
    names = {file.name for file in kept.rglob("*") if file.is_file()}
    assert names == {
        "manifest.json",
        "returns.json",
        "curve.jsonl",
        "times.jsonl",
        "experiment.json",
    }
    sizes = [file.stat().st_size for file in kept.rglob("*") if file.is_file()]
    # Of a seed, a task and two arms; sixty such arms are to stay below 2 MB.
    assert sum(sizes) < 2 * 2e6 / 60
    assert run(CONFIG, kept) == ([], {})
    ours, theirs = report(CONFIG, kept), [(whole / name).read_text() for name in FILES]
    assert ours == theirs
    assert "In training" in theirs[-1]


@pytest.mark.long
def test_the_command_keeps_an_archive_and_takes_it_for_the_experiment(run, whole, tmp_path, capsys):
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(to_dict(CONFIG)))
    kept = tmp_path / "kept"
    words = ["experiment", str(file), "--json", "--out"]
    assert main([*words, str(whole), "--archive", str(kept)]) == 0
    told = capsys.readouterr().out
    assert main([*words, str(kept)]) == 0
    assert capsys.readouterr().out == told
    again = tmp_path / "again"  # of an archive, and twice
    for _ in range(2):
        assert main([*words, str(kept), "--archive", str(again)]) == 0
    assert run(CONFIG, again) == ([], {})

    returns = kept / TASK / "arms/BC/seed-0/evaluation/returns.json"
    content = bytearray(returns.read_bytes())
    content[len(content) // 2] ^= 1
    returns.write_bytes(content)
    capsys.readouterr()
    assert main([*words, str(kept)]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("logo-tf")]
    assert "1 of the jobs failed" in line
    assert f"{returns}: content differs from the sha256 in manifest.json" in line


@pytest.mark.long
def test_one_more_seed_makes_only_what_it_needs(run, kept):
    before = {place: load_manifest(place.parent) for place in kept.rglob("manifest.json")}
    config = change(seeds=(0, 1))
    done, failed = run(config, kept)
    assert not failed
    assert len(done) == 6
    assert set(done) == {
        f"{TASK}/dataset",
        f"{TASK}/models/logo/seed-1",
        f"{TASK}/arms/BC/seed-1/policy",
        f"{TASK}/arms/BC/seed-1/evaluation",
        f"{TASK}/arms/LOGO/seed-1/policy",
        f"{TASK}/arms/LOGO/seed-1/evaluation",
    }
    assert {place: load_manifest(place.parent) for place in before} == before
    assert verify_rest(kept / TASK / "dataset")[1] == []  # its rows are back
    assert verify_rest(kept / TASK / "arms/LOGO/seed-0/policy")[1] != []  # its weights are not
    assert read_results(config, kept).seeds == [0, 1]


@pytest.mark.long
def test_a_planned_arm_has_weights_trained_again_to_the_same_bytes(run, whole, kept):
    config = change(planned=(PLANNED,))
    done, failed = run(config, kept)
    assert not failed
    assert done == [
        f"{TASK}/dataset",
        f"{TASK}/models/logo/seed-0",
        f"{TASK}/arms/LOGO/seed-0/policy",
        f"{TASK}/arms/LOGO,_planned/seed-0/evaluation",
    ]
    assert verify_rest(kept / TASK / "arms/LOGO/seed-0/policy")[1] == []
    assert load_manifest(kept / done[2]) == load_manifest(whole / done[2])
    assert len(read_results(config, kept).cells) == 3


def test_what_cannot_be_made_again_alike_is_told_and_the_results_stay(run, kept, monkeypatch):
    before = report(CONFIG, kept)
    collect = experiment_jobs.collect

    def elsewhere(config, to):
        return collect(type(config)(config.scenario, config.quality, config.steps, 7), to)

    monkeypatch.setattr(experiment_jobs, "collect", elsewhere)
    done, failed = run(change(seeds=(0, 1)), kept)
    assert done == list(failed) == [f"{TASK}/dataset"]
    assert "made again, it came out otherwise than before" in failed[done[0]].last
    assert run(CONFIG, kept) == ([], {})
    assert report(CONFIG, kept)[0] == before[0]


def test_without_its_manifest_an_evaluation_s_parent_is_made_again(run, kept):
    shutil.rmtree(kept / TASK / "arms/BC/seed-0/policy")
    done, failed = run(CONFIG, kept)
    assert (done, failed) == ([f"{TASK}/dataset", f"{TASK}/arms/BC/seed-0/policy"], {})


def test_an_archive_takes_the_place_of_nothing_else(whole, kept, tmp_path):
    with pytest.raises(LogoError, match="is the experiment itself"):
        archive(CONFIG, whole, whole)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("precious")
    with pytest.raises(LogoError, match="holds something that is not a logo_tf experiment"):
        archive(CONFIG, whole, tmp_path / "mine")
    file = kept / TASK / "dataset/manifest.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 9'))
    with pytest.raises(LogoError, match=r"dataset: is another one than .*; choose another folder"):
        archive(CONFIG, whole, kept)


def test_only_finished_cells_are_kept(whole, tmp_path):
    assert archive(change(seeds=(0, 1)), whole, tmp_path / "kept") == 7
    assert Task(*CONFIG.tasks[0]) in read_results(CONFIG, tmp_path / "kept").data
