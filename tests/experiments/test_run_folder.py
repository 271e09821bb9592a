"""Whose folder it is: fresh, resumed, of other settings, of another version, in use."""

import dataclasses
import json

import pytest

from logo_tf.errors import LogoError
from logo_tf.experiments.config import preset
from logo_tf.experiments.run_folder import opened, read_run

SMOKE = preset("smoke")


def files(folder):
    return {f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_a_new_folder_holds_the_resolved_config_and_the_lock_goes(tmp_path):
    out = tmp_path / "a" / "run"
    with opened(SMOKE, out) as manifest:
        assert manifest.config["seed"] == 0
        assert manifest.scenario.state_dim == 17
    assert sorted(files(out)) == ["run.json"]
    with opened(SMOKE, out) as again:
        assert again == manifest


def test_other_settings_are_refused_by_name_and_nothing_is_touched(tmp_path):
    out = tmp_path / "run"
    with opened(SMOKE, out):
        pass
    before = files(out)
    wider = dataclasses.replace(SMOKE.world_model, width=99)
    other = dataclasses.replace(SMOKE, world_model=wider)
    with (
        pytest.raises(LogoError, match=r"world_model\.width is 16 there and 99 here.*--out"),
        opened(other, out),
    ):
        raise AssertionError
    assert files(out) == before


def test_two_processes_in_one_folder(tmp_path):
    out = tmp_path / "run"
    with (
        opened(SMOKE, out),
        pytest.raises(LogoError, match="another process is working in this run"),
        opened(SMOKE, out),
    ):
        raise AssertionError


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(LogoError, match="not a logo_tf run"), opened(SMOKE, tmp_path):
        raise AssertionError
    assert files(tmp_path) == {"thesis.txt": b"mine"}
    with pytest.raises(LogoError, match="a file stands"), opened(SMOKE, tmp_path / "thesis.txt"):
        raise AssertionError


def test_what_a_kill_before_the_first_stage_leaves_is_resumed(tmp_path):
    (tmp_path / ".lock").write_text("")
    (tmp_path / "run.json.partial").write_text("{")
    with opened(SMOKE, tmp_path):
        pass
    assert read_run(tmp_path).kind == "run"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 9}, "format version 9"),
        ({"kind": "policy"}, "expected a run"),
        ({"surprise": 1}, "not a readable manifest"),
    ],
)
def test_runs_of_another_making_are_refused(tmp_path, change, said):
    with opened(SMOKE, tmp_path):
        pass
    file = tmp_path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(LogoError, match=said), opened(SMOKE, tmp_path):
        raise AssertionError
    file.write_text("{")
    with pytest.raises(LogoError, match="not a readable manifest"), opened(SMOKE, tmp_path):
        raise AssertionError
