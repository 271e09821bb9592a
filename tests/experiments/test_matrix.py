"""Experiments as they are written down."""

import dataclasses
import json

import pytest

from logo_tf.agents.config import PlannerConfig
from logo_tf.config import from_dict, to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments.folders import folder_name
from logo_tf.experiments.matrix import (
    Arm,
    Claim,
    ExperimentConfig,
    ModelArm,
    PlannedArm,
    check,
    read_config,
)

CONFIG = ExperimentConfig(
    scenarios=("mamujoco/HalfCheetah-2x3",),
    qualities=("medium-replay", "medium"),
    models=(ModelArm("logo"), ModelArm("mono (s, a)", ("kind=monolithic",))),
    arms=(
        Arm("BC", "bc"),
        Arm("LOGO", "macql", "logo"),
        Arm("LOGO, uniform", "macql", "logo", ("imagination.sampler=uniform", "steps=7")),
    ),
    planned=(PlannedArm("LOGO, planned", "LOGO", ("planner.horizon=3",)),),
    policy=("steps=5",),
    world_model=("width=8",),
)


def change(**fields):
    return dataclasses.replace(CONFIG, **fields)


def test_a_config_survives_json():
    assert from_dict(ExperimentConfig, json.loads(json.dumps(to_dict(CONFIG)))) == CONFIG


def test_an_arm_lays_its_settings_over_the_experiment_s_over_its_algorithm_s():
    plain = CONFIG.policy_config(CONFIG.arm("LOGO"), "continuous")
    assert (plain.algorithm, plain.steps, plain.imagination.sampler) == ("macql", 5, "uncertainty")
    other = CONFIG.policy_config(CONFIG.arm("LOGO, uniform"), "continuous")
    assert (other.steps, other.imagination.sampler) == (7, "uniform")
    assert CONFIG.policy_config(CONFIG.arm("LOGO"), "discrete").memory == 64
    model = CONFIG.model_config("mono (s, a)")
    assert (model.kind, model.width) == ("monolithic", 8)


def test_a_planned_arm_lays_its_settings_over_the_planner_s():
    assert CONFIG.planner_config(CONFIG.planned[0]) == PlannerConfig(horizon=3)
    assert CONFIG.judged == ["BC", "LOGO", "LOGO, uniform", "LOGO, planned"]


def test_what_the_others_are_compared_with():
    assert CONFIG.compared == "BC"
    assert change(baseline="LOGO").compared == "LOGO"
    assert change(baseline="LOGO, planned").compared == "LOGO, planned"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": ()}, "seeds is empty"),
        ({"arms": ()}, "arms is empty"),
        ({"seeds": (0, 1, 0)}, "seed 0 is there twice"),
        ({"seeds": (-1,)}, "seeds must not be negative, got -1"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"curve_every": -1}, "curve_every must not be negative"),
        ({"baseline": "LOGOS"}, "no arm 'LOGOS', its baseline; did you mean 'LOGO'?"),
        (
            {"claims": (Claim("it helps", "LOGO", "LOGOS"),)},
            "claim 'it helps' is of arm 'LOGOS', which there is not; did you mean 'LOGO'?",
        ),
        ({"arms": (Arm("x y", "bc"), Arm("x_y", "bc")), "planned": ()}, "arm x_y is there twice"),
        ({"arms": (Arm("a/b", "bc"),), "planned": ()}, "'a/b' cannot name an arm or a model"),
        (
            {"planned": (PlannedArm("p", "LOGOS"),)},
            "'p' plans for arm 'LOGOS', which there is not; did you mean 'LOGO'?",
        ),
        (
            {"planned": (PlannedArm("p", "BC"),)},
            "'p' plans for arm 'BC', which has no model to plan in",
        ),
        ({"planned": (PlannedArm("LOGO", "LOGO"),)}, "arm LOGO is there twice"),
        ({"planned": (PlannedArm("p", "LOGO"),) * 2}, "arm p is there twice"),
        (
            {"arms": (Arm("a", "macql", "lgo"),), "planned": ()},
            "arm 'a' imagines with 'lgo', which is none of its models; did you mean 'logo'?",
        ),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(LogoError) as refused:
        change(**fields)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scenarios": ("mamujoco/HalfCheeta-2x3",)}, "did you mean 'mamujoco/HalfCheetah-2x3'?"),
        (
            {"planned": (PlannedArm("p", "LOGO", ("planner.horizn=3",)),)},
            "experiment: arm 'p': --set planner.horizn=3: unknown key 'horizn'; did you mean "
            "'horizon'?",
        ),
        (
            {"planned": (PlannedArm("p", "LOGO", ("planner.horizon=0",)),)},
            "experiment: arm 'p': planner.horizon must be at least 1, got 0",
        ),
        (
            {"arms": (Arm("OMIGA", "omigo"),), "planned": ()},
            "experiment: arm 'OMIGA': unknown algorithm 'omigo'; did you mean 'omiga'?",
        ),
        (
            {"arms": (Arm("a", "bc", "", ("widht=3",)),), "planned": ()},
            "experiment: arm 'a': --set widht=3: unknown key 'widht'; did you mean 'width'?",
        ),
        (
            {"models": (ModelArm("logo", ("kind=lgo",)),)},
            "experiment: model 'logo': --set.kind: 'lgo' is not valid; did you mean 'logo'?",
        ),
        (
            {"arms": (Arm("a", "bc", "logo"),), "planned": ()},
            "arm 'a': bc learns from real data alone",
        ),
        (
            {"arms": (Arm("a", "macql", "logo", ("imagination.share=0",)),), "planned": ()},
            "arm 'a' has a model but imagination.share=0",
        ),
    ],
)
def test_what_would_fail_hours_later_is_found_at_once(fields, message):
    with pytest.raises(LogoError) as refused:
        check(change(**fields))
    assert message in str(refused.value)


def test_a_sound_experiment_passes():
    check(CONFIG)


def test_a_file_is_read_with_settings_over_it(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(to_dict(CONFIG)))
    assert read_config(file, ["seeds=[3,4]"]) == change(seeds=(3, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON config"),
        ("[]", "a config is a JSON object of settings"),
        ("{}", "lacks scenarios, qualities, arms"),
        ('{"scenario": "x"}', "unknown key 'scenario'; did you mean 'scenarios'?"),
        (
            '{"scenarios": ["a"], "qualities": ["medium"], "arms": [{"name": "a"}]}',
            "arms[0]: lacks algorithm",
        ),
        ('{"planned": [{"name": "p"}]}', "planned[0]: lacks arm"),
    ],
)
def test_a_file_that_holds_no_experiment(text, message, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(LogoError) as refused:
        read_config(file)
    assert str(refused.value).startswith(str(file))
    assert message in str(refused.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(LogoError, match="none.json: cannot read the config: No such file"):
        read_config(tmp_path / "none.json")


def test_folders_are_names_without_spaces():
    assert folder_name("LOGO, uniform (C 2)") == "LOGO,_uniform_(C_2)"
