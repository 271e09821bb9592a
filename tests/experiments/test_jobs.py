"""The jobs of an experiment: their order, and which artefacts are theirs."""

import dataclasses
import shutil

import pytest

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError
from logo_tf.experiments.job import There, survey
from logo_tf.experiments.jobs import (
    DatasetJob,
    EvaluationJob,
    PlannedJob,
    PolicyJob,
    WorldModelJob,
    jobs,
)
from logo_tf.experiments.matrix import Arm, ExperimentConfig, ModelArm, PlannedArm

CONFIG = ExperimentConfig(
    scenarios=("mamujoco/HalfCheetah-2x3",),
    qualities=("medium",),
    models=(ModelArm("logo"), ModelArm("never asked")),
    arms=(Arm("BC", "bc"), Arm("LOGO", "macql", "logo"), Arm("LOGO 2", "macql", "logo")),
    seeds=(3, 5),
)
TASK = ("mamujoco/HalfCheetah-2x3", "medium")


def leave(out, job, config=None, provenance=None, parents=None):
    """Put an artefact where a job's would stand; returns its manifest."""
    place = out / job.name
    with artifacts.writing(place):
        return artifacts.publish(
            place,
            Manifest(
                kind=job.kind,
                spec={},
                config=job.settings if config is None else config,
                provenance=provenance or {},
                parents=parents or {},
            ),
        )


def test_every_job_stands_after_those_it_needs_and_only_models_that_arms_ask_are_trained():
    names = list(jobs(CONFIG))
    for place, job in enumerate(jobs(CONFIG).values()):
        assert all(names.index(needed) < place for needed in job.needs.values())
    base = "mamujoco-HalfCheetah-2x3"
    assert names[:3] == [
        f"{base}/references",
        f"{base}/medium/dataset",
        f"{base}/medium/models/logo/seed-3",
    ]
    assert len(names) == 2 + 2 * (1 + 3 * 2)
    assert not any("never" in name for name in names)
    # One seed is whole before the next begins.
    assert [("seed-5" in name) for name in names[2:]] == [False] * 7 + [True] * 7


def test_arms_of_one_model_share_it():
    all_jobs = jobs(CONFIG)
    models = {job.needs["world_model"] for job in all_jobs.values() if "world_model" in job.needs}
    assert models == {f"mamujoco-HalfCheetah-2x3/medium/models/logo/seed-{k}" for k in (3, 5)}


def test_an_artefact_of_the_same_settings_and_parents_is_this_job_s(tmp_path):
    data, model = DatasetJob(CONFIG, *TASK), WorldModelJob(CONFIG, *TASK, "logo", 3)
    assert (data.there(tmp_path), data.found(tmp_path)) == (There.NOTHING, None)
    parent = leave(tmp_path, data)
    made = leave(tmp_path, model, parents={"dataset": parent.hash})
    assert (data.there(tmp_path), data.found(tmp_path)) == (There.ALL, parent)
    assert (model.there(tmp_path), model.found(tmp_path)) == (There.ALL, made)


def test_an_artefact_of_other_settings_is_named_and_left_alone(tmp_path):
    job = DatasetJob(dataclasses.replace(CONFIG, dataset_steps=7), *TASK)
    leave(tmp_path, job)
    ours = DatasetJob(CONFIG, *TASK)
    with pytest.raises(LogoError, match=r"dataset: steps is 7 there and 100000 in this experiment"):
        ours.there(tmp_path)
    with pytest.raises(LogoError, match="steps is 7 there"):
        ours.require_fits(tmp_path)
    assert ours.found(tmp_path) is None
    job.require_fits(tmp_path)
    assert job.there(tmp_path) is There.ALL


def test_another_seed_and_another_parent_are_told(tmp_path):
    parent = leave(tmp_path, DatasetJob(CONFIG, *TASK))
    job = PolicyJob(CONFIG, *TASK, CONFIG.arm("BC"), 3)
    config = {name: value for name, value in job.settings.items() if name != "seed"}
    leave(tmp_path, job, config, {"seed": 4}, {"dataset": parent.hash})
    with pytest.raises(LogoError, match="seed is 4 there and 3 in this experiment"):
        job.there(tmp_path)
    other = PolicyJob(CONFIG, *TASK, CONFIG.arm("BC"), 5)
    config = {name: value for name, value in other.settings.items() if name != "seed"}
    leave(tmp_path, other, config, {"seed": 5}, {"dataset": "another"})
    with pytest.raises(LogoError, match="was made from another dataset than"):
        other.there(tmp_path)


class Copied(DatasetJob):
    """A dataset job whose artefact is one file with a known text."""

    text = "rows"

    def make_at(self, place, out):
        with artifacts.writing(place) as aside:
            (aside / "data.txt").write_text(self.text)
            manifest = Manifest(kind=self.kind, spec={}, config=self.settings)
            artifacts.publish(place, manifest)


def test_what_is_gone_of_an_artefact_is_made_again(tmp_path):
    job = Copied(CONFIG, *TASK)
    job.make(tmp_path)
    manifest = job.found(tmp_path)
    (tmp_path / job.name / "data.txt").unlink()
    assert (job.there(tmp_path), job.found(tmp_path)) == (There.MANIFEST, manifest)
    job.make(tmp_path)
    assert (job.there(tmp_path), job.found(tmp_path)) == (There.ALL, manifest)
    assert [place.name for place in (tmp_path / job.name).parent.iterdir()] == ["dataset"]
    (tmp_path / job.name / "data.txt").write_text("other")
    with pytest.raises(LogoError, match=r"data.txt: content differs"):
        job.there(tmp_path)


def test_what_comes_out_otherwise_is_told_and_takes_no_place(tmp_path):
    job = Copied(CONFIG, *TASK)
    job.make(tmp_path)
    manifest = job.found(tmp_path)
    (tmp_path / job.name / "data.txt").unlink()
    job.text = "rows of another machine"
    with pytest.raises(LogoError, match=r"dataset: made again, it came out otherwise") as told:
        job.make(tmp_path)
    assert "\n" not in str(told.value)
    assert (job.there(tmp_path), job.found(tmp_path)) == (There.MANIFEST, manifest)


def test_a_survey_asks_for_the_manifests_of_all_ancestors(tmp_path):
    data, model = DatasetJob(CONFIG, *TASK), WorldModelJob(CONFIG, *TASK, "logo", 3)
    every = {job.name: job for job in (data, model)}
    parent = leave(tmp_path, data)
    leave(tmp_path, model, parents={"dataset": parent.hash})
    assert survey(every, tmp_path) == (dict.fromkeys(every, There.ALL), {})
    (tmp_path / data.name / "manifest.json").unlink()
    there, complaints = survey(every, tmp_path)
    assert set(there.values()) == {There.NOTHING}
    assert list(complaints) == [data.name]
    shutil.rmtree(tmp_path / data.name)
    assert survey(every, tmp_path) == (dict.fromkeys(every, There.NOTHING), {})


def test_every_arm_of_a_seed_is_judged_on_the_same_episodes():
    first, second = (EvaluationJob(CONFIG, *TASK, CONFIG.arm(name), 3) for name in ("BC", "LOGO"))
    assert first.settings == second.settings
    assert first.settings != EvaluationJob(CONFIG, *TASK, CONFIG.arm("BC"), 5).settings


def test_a_planned_arm_trains_nothing_and_plays_the_arm_s_episodes():
    planned = PlannedArm("LOGO, planned", "LOGO", ("planner.horizon=3",))
    config = dataclasses.replace(CONFIG, planned=(planned,))
    added = {name: job for name, job in jobs(config).items() if name not in jobs(CONFIG)}
    arms = "mamujoco-HalfCheetah-2x3/medium/arms"
    assert list(added) == [f"{arms}/LOGO,_planned/seed-{k}/evaluation" for k in (3, 5)]
    job = PlannedJob(config, *TASK, planned, 3)
    assert added[job.name].needs == {
        "policy": f"{arms}/LOGO/seed-3/policy",
        "world_model": "mamujoco-HalfCheetah-2x3/medium/models/logo/seed-3",
    }
    settings = dict(job.settings)
    assert settings.pop("planner")["horizon"] == 3
    assert settings == EvaluationJob(config, *TASK, config.arm("LOGO"), 3).settings
