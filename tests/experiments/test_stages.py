"""When a stage is skipped, made, or made again."""

import io

import pytest
from rich.console import Console

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.config import override
from logo_tf.errors import LogoError
from logo_tf.experiments.clock import StageClock
from logo_tf.experiments.config import preset
from logo_tf.experiments.run import _made, _skipped
from logo_tf.experiments.stages import Stage, newest_version, stages


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def stage_of(tmp_path, spec, name, parents=()):
    """A stage that writes its name; made with whatever hashes its parents now have."""
    path = tmp_path / name

    def make(places):
        found = {role: artifacts.load_manifest(places[role]).hash for role in parents}
        with artifacts.writing(path) as aside:
            (aside / "text").write_text(name)
            artifacts.publish(path, Manifest(kind="policy", spec=spec.to_dict(), parents=found))
        return path

    return Stage(name, name, "policy", {p: p for p in parents}, lambda: path, make, name)


def test_a_stage_is_made_once_and_again_when_its_parent_changed(
    tmp_path, continuous_spec, discrete_spec, console
):
    clock = StageClock(tmp_path)
    parent = stage_of(tmp_path, continuous_spec, "parent")
    child = stage_of(tmp_path, continuous_spec, "child", ("parent",))
    assert _skipped(parent, {}, console) is None
    one, path = _made(parent, {}, clock, console)
    first, _ = _made(child, {"parent": path}, clock, console)
    assert _skipped(parent, {}, console) == (one, path)
    assert _skipped(child, {"parent": one}, console) is not None

    other = stage_of(tmp_path, discrete_spec, "parent")
    artifacts.shutil.rmtree(path)
    two, path = _made(other, {}, clock, console)
    assert _skipped(child, {"parent": two}, console) is None
    again, _ = _made(child, {"parent": path}, clock, console)
    assert again.hash != first.hash
    text = console.file.getvalue()
    assert "skipped, unchanged" in text
    assert "made again, because what it was made from changed" in text


def test_a_changed_file_is_not_skipped_over(tmp_path, continuous_spec, console):
    stage = stage_of(tmp_path, continuous_spec, "one")
    _, path = _made(stage, {}, StageClock(tmp_path), console)
    (path / "text").write_text("tampered")
    with pytest.raises(LogoError, match="content differs"):
        _skipped(stage, {}, console)


def test_something_else_in_the_way_is_left_alone(tmp_path, continuous_spec, console):
    (tmp_path / "one").mkdir()
    with pytest.raises(LogoError, match="not a logo_tf artefact"):
        _skipped(stage_of(tmp_path, continuous_spec, "one"), {}, console)


def test_stages_name_only_earlier_stages(tmp_path):
    seen = set()
    for stage in stages(preset("smoke"), tmp_path):
        assert set(stage.parents.values()) <= seen
        seen.add(stage.name)


def test_the_newest_version_is_the_highest_number(tmp_path):
    assert newest_version(tmp_path / "none") is None
    for name in ("2", "10", "11.partial", "export.lock"):
        (tmp_path / name).mkdir()
    assert newest_version(tmp_path) == tmp_path / "10"


def test_a_policy_that_imagines_nothing_is_not_made_from_the_world_model(tmp_path):
    def parents(settings):
        config = override(preset("smoke"), settings)
        (policy,) = [stage for stage in stages(config, tmp_path) if stage.name == "policy"]
        return set(policy.parents)

    assert parents([]) == {"dataset", "world_model"}
    assert parents(["policy.imagination.share=0"]) == {"dataset"}
