import dataclasses
import errno
import json
import multiprocessing
import shutil
import signal

import pytest

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.errors import LogoError


@pytest.fixture
def manifest(continuous_spec):
    return Manifest(kind="dataset", spec=continuous_spec.to_dict(), parents={"source": "abc"})


def make(path, manifest, text="hello"):
    with artifacts.writing(path) as aside:
        (aside / "sub").mkdir()
        (aside / "sub/data.txt").write_text(text)
        return artifacts.publish(path, manifest)


def test_published_whole_and_verified(tmp_path, manifest, continuous_spec):
    written = make(tmp_path / "a/b", manifest)
    assert list(written.files) == ["sub/data.txt"]
    assert artifacts.verify(tmp_path / "a/b", "dataset") == written
    assert written.scenario == continuous_spec
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b"]


def test_the_manifest_has_a_sum_of_its_own(tmp_path, manifest):
    written = make(tmp_path / "a", manifest)
    assert (tmp_path / "a/manifest.sha256").read_text() == f"{written.hash}  manifest.json\n"
    file = tmp_path / "a" / artifacts.MANIFEST
    file.write_text(file.read_text().replace("abc", "abd"))
    with pytest.raises(LogoError, match=r"manifest.json: content differs from the sha256"):
        artifacts.verify(tmp_path / "a")


def test_hash_follows_content(tmp_path, manifest):
    one, two = make(tmp_path / "1", manifest), make(tmp_path / "2", manifest)
    three = make(tmp_path / "3", manifest, text="other")
    assert one.hash == two.hash != three.hash


def test_a_changed_or_lost_file_is_named(tmp_path, manifest):
    make(tmp_path / "a", manifest)
    file = tmp_path / "a/sub/data.txt"
    file.write_text("hellp")
    with pytest.raises(LogoError, match=r"data.txt: content differs from the sha256"):
        artifacts.verify(tmp_path / "a")
    file.unlink()
    with pytest.raises(LogoError, match=r"data.txt: missing"):
        artifacts.verify(tmp_path / "a")


def test_what_is_gone_is_named_and_the_rest_is_checked(tmp_path, manifest):
    make(tmp_path / "a", manifest)
    written, gone = artifacts.verify_rest(tmp_path / "a")
    assert (written, gone) == (artifacts.load_manifest(tmp_path / "a"), [])
    (tmp_path / "a/sub/data.txt").unlink()
    assert artifacts.verify_rest(tmp_path / "a") == (written, ["sub/data.txt"])
    (tmp_path / "a/sub/data.txt").write_text("hellp")
    with pytest.raises(LogoError, match=r"data.txt: content differs"):
        artifacts.verify_rest(tmp_path / "a")


def test_an_artefact_is_refilled_even_by_a_call_after_a_killed_one(tmp_path, manifest, monkeypatch):
    for name in ("a", "b"):
        make(tmp_path / name, manifest)
    shutil.rmtree(tmp_path / "a/sub")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", interrupt)  # files are moved, the folder is not gone
        artifacts.refill(tmp_path / "a", tmp_path / "b")
    artifacts.refill(tmp_path / "a", tmp_path / "b")
    artifacts.verify(tmp_path / "a")
    assert not (tmp_path / "b").exists()


def interrupt(path):
    raise KeyboardInterrupt


def test_an_artefact_is_not_refilled_from_another(tmp_path, manifest):
    make(tmp_path / "a", manifest)
    make(tmp_path / "b", dataclasses.replace(manifest, provenance={"of": "another machine"}))
    (tmp_path / "a/sub/data.txt").unlink()
    with pytest.raises(LogoError, match="a: made again, it came out otherwise than before"):
        artifacts.refill(tmp_path / "a", tmp_path / "b")
    assert artifacts.verify_rest(tmp_path / "a")[1] == ["sub/data.txt"]
    assert not (tmp_path / "b").exists()


def test_unreadable_manifests_are_named(tmp_path, manifest):
    with pytest.raises(LogoError, match="no such folder"):
        artifacts.load_manifest(tmp_path / "none")
    with pytest.raises(LogoError, match="not a logo_tf artefact"):
        artifacts.load_manifest(tmp_path)
    make(tmp_path / "a", manifest)
    with pytest.raises(LogoError, match="is a dataset artefact, expected a policy"):
        artifacts.load_manifest(tmp_path / "a", "policy")
    file = tmp_path / "a" / artifacts.MANIFEST
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "format_version": 99}))
    with pytest.raises(LogoError, match="format version 99, this logo_tf reads version 1"):
        artifacts.load_manifest(tmp_path / "a")
    file.write_text(json.dumps({**data, "extra": 1}))
    with pytest.raises(LogoError, match="not a readable manifest"):
        artifacts.load_manifest(tmp_path / "a")
    file.write_text(json.dumps({**data, "files": []}))
    with pytest.raises(LogoError, match="files is not an object"):
        artifacts.load_manifest(tmp_path / "a")
    file.write_text("{")
    with pytest.raises(LogoError, match="not a readable manifest"):
        artifacts.load_manifest(tmp_path / "a")


def test_what_exists_stays(tmp_path, manifest):
    make(tmp_path / "a", manifest)
    with pytest.raises(LogoError, match="already exists"), artifacts.writing(tmp_path / "a"):
        pass
    artifacts.verify(tmp_path / "a")


def test_a_failed_one_shot_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="broken"), artifacts.writing(tmp_path / "a") as aside:
        (aside / "half").write_text("x")
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_work_continues_only_with_its_own_settings(tmp_path, manifest):
    with pytest.raises(KeyboardInterrupt), artifacts.writing(tmp_path / "a", {"seed": 1}) as aside:
        (aside / "checkpoint").write_text("half way")
        raise KeyboardInterrupt
    with (
        pytest.raises(LogoError, match="interrupted work of other settings"),
        artifacts.writing(tmp_path / "a", {"seed": 2}),
    ):
        pass
    with artifacts.writing(tmp_path / "a", {"seed": 1}) as aside:
        assert (aside / "checkpoint").read_text() == "half way"
        (aside / "result").write_text("done")
        written = artifacts.publish(tmp_path / "a", manifest, scratch=("checkpoint",))
    assert list(written.files) == ["result"]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_the_disks_refusals_are_one_line(tmp_path, code, remedy):
    with pytest.raises(LogoError, match=remedy), artifacts.writing(tmp_path / "a"):
        raise OSError(code, "no")
    assert list(tmp_path.iterdir()) == []


def _hold(path, ready):
    with artifacts.writing(path, {"seed": 1}):
        ready.set()
        signal.pause()


def test_a_second_writer_is_refused_and_a_killed_one_frees_the_folder(tmp_path, manifest):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "a", ready))
    process.start()
    assert ready.wait(60)
    with (
        pytest.raises(LogoError, match="another process is writing it"),
        artifacts.writing(tmp_path / "a", {"seed": 1}),
    ):
        pass
    process.kill()
    process.join()
    with artifacts.writing(tmp_path / "a", {"seed": 1}):
        artifacts.publish(tmp_path / "a", manifest)
    artifacts.verify(tmp_path / "a")
