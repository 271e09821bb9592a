from __future__ import annotations

import errno
from pathlib import Path

import pytest
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError
from logo_tf.export.publishing import check_name, new_version, tensorflow_guarded, versions
from logo_tf.specs import ScenarioSpec


def _publish(repository: Path, name: str, spec: ScenarioSpec, text: str = "x") -> Path:
    with new_version(repository, name) as path:
        (disk.partial(path) / "saved_model.pb").write_text(text)
        artifacts.publish(path, Manifest(kind="export", spec=spec.to_dict()))
    return path


@pytest.mark.parametrize("name", ["a", "HalfCheetah_2x3", "0", "x" * 64])
def test_plain_names_pass(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a-b", "a b", "../x", "a/b", "a\n", "a\0", "%2e%2e", ".", "é", "١", "x" * 65]
)
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    with (
        pytest.raises(LogoError, match="letters, digits and underscores"),
        new_version(tmp_path, name),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_versions_count_up_and_skip_what_is_not_a_number(
    tmp_path: Path, continuous_spec: ScenarioSpec
) -> None:
    assert versions(tmp_path / "m") == []
    assert _publish(tmp_path, "m", continuous_spec) == tmp_path / "m" / "1"
    for other in ("9.partial", "latest", "²"):
        (tmp_path / "m" / other).mkdir()
    (tmp_path / "m" / "12").write_text("a file is not a version")
    (tmp_path / "m" / "7").mkdir()
    assert versions(tmp_path / "m") == [1, 7]
    assert _publish(tmp_path, "m", continuous_spec).name == "8"
    assert _publish(tmp_path, "other", continuous_spec).name == "1"


def test_an_export_leaves_existing_versions_untouched_and_nothing_else(
    tmp_path: Path, continuous_spec: ScenarioSpec
) -> None:
    first = _publish(tmp_path, "m", continuous_spec, "first")
    before = (first / "manifest.json").read_bytes()
    _publish(tmp_path, "m", continuous_spec, "second")
    assert (first / "manifest.json").read_bytes() == before
    artifacts.verify(first, "export")
    assert sorted(child.name for child in (tmp_path / "m").iterdir()) == ["1", "2"]


def test_what_a_killed_export_leaves_is_no_version_and_is_cleared(
    tmp_path: Path, continuous_spec: ScenarioSpec
) -> None:
    _publish(tmp_path, "m", continuous_spec)
    aside = tmp_path / "m" / "2.partial"
    aside.mkdir()
    (aside / "saved_model.pb").write_text("half")
    (aside / "manifest.json").write_text("{")
    for lock in ("export.lock", "2.lock"):
        (tmp_path / "m" / lock).write_text("")
    left = {entry.name for entry in (tmp_path / "m").iterdir() if entry.is_dir()}
    assert left == {"1", "2.partial"}
    assert versions(tmp_path / "m") == [1]
    assert _publish(tmp_path, "m", continuous_spec, "whole").name == "2"
    assert (tmp_path / "m" / "2" / "saved_model.pb").read_text() == "whole"
    assert not (tmp_path / "m" / "2" / "manifest.json.partial").exists()
    assert sorted(child.name for child in (tmp_path / "m").iterdir()) == ["1", "2"]


@pytest.mark.parametrize("published", [0, 1])
def test_a_failed_export_leaves_nothing(
    tmp_path: Path, continuous_spec: ScenarioSpec, published: int
) -> None:
    for _ in range(published):
        _publish(tmp_path, "m", continuous_spec)
    with pytest.raises(LogoError, match="disk is full"), new_version(tmp_path, "m") as path:
        (disk.partial(path) / "variables").mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")
    left = [child.name for child in (tmp_path / "m").glob("*")]
    assert left == ["1"][:published]
    assert (tmp_path / "m").exists() == bool(published)


def test_two_exports_under_one_name_do_not_meet(tmp_path: Path) -> None:
    with new_version(tmp_path, "m"):
        with (
            pytest.raises(LogoError, match="another process is exporting"),
            new_version(tmp_path, "m"),
        ):
            pass
        with new_version(tmp_path, "other"):
            pass


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("")
    with (
        pytest.raises(LogoError, match="a file stands where a folder is needed"),
        new_version(tmp_path, "m"),
    ):
        pass


def test_tensorflow_says_in_one_line_that_the_disk_is_full(tmp_path: Path) -> None:
    message = "{{function_node x}} /m/part-0; No space left on device [Op:SaveV2]\nmore"
    with (
        pytest.raises(LogoError, match="^x: cannot write: No space left on device; free"),
        tensorflow_guarded(Path("x")),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, message)
