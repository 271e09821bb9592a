"""Presets, files over them, and what a run refuses."""

import json

import pytest

from logo_tf.config import from_dict, over_file, override, to_dict
from logo_tf.errors import LogoError
from logo_tf.experiments.config import RunConfig, first_difference, preset


@pytest.mark.parametrize("name", ["quickstart", "smax", "smoke"])
def test_presets_round_trip_through_json(name):
    config = preset(name)
    assert from_dict(RunConfig, json.loads(json.dumps(to_dict(config)))) == config
    assert config.bc.algorithm == "bc"


def test_a_file_lies_over_the_preset_group_by_group(tmp_path):
    file = tmp_path / "over.json"
    file.write_text('{"seed": 3, "world_model": {"width": 7}}')
    base = preset("smoke")
    config = over_file(base, file)
    assert (config.seed, config.world_model.width) == (3, 7)
    assert config.world_model.steps == base.world_model.steps
    assert config.policy == base.policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a JSON config"),
        ("[1]", "a JSON object"),
        ('{"sede": 1}', "did you mean 'seed'?"),
        ('{"world_model": 3}', "expected an object"),
        ('{"seed": "x"}', "expected int"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, text, said):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(LogoError, match="bad.json") as caught:
        over_file(preset("smoke"), file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        "seed=-1",
        "policy.algorithm=bc",
        "bc.algorithm=matd3bc",
        "dataset.steps=0",
        "evaluation.episodes=0",
        "evaluation.frames=-1",
        "evaluation.horizons=[1,5]",
        "evaluation.horizons=[0,1,5,15]",
    ],
)
def test_settings_that_make_no_run_are_refused(setting):
    with pytest.raises(LogoError, match=setting.partition("=")[0].rpartition(".")[2]):
        override(preset("smoke"), [setting])


def test_the_first_difference_is_dotted():
    ours, theirs = {"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}}
    assert first_difference(ours, theirs) == ("b.d", 3, 4)
    assert first_difference(ours, ours) == ("", None, None)
    assert first_difference({}, {"new": 1}) == ("new", None, 1)
