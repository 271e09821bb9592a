import errno
import hashlib
import os

import pytest

from logo_tf import disk
from logo_tf.errors import LogoError


def test_what_grows_aside_is_settled_whole(tmp_path):
    place = tmp_path / "a.bin"
    disk.partial(place).write_bytes(b"whole")
    assert not place.exists()
    disk.settle(place)
    assert place.read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert disk.sha256(place) == hashlib.sha256(b"whole").hexdigest()


def test_a_lock_is_of_one(tmp_path):
    file = tmp_path / "lock"
    with (
        disk.locked(file, "busy"),
        pytest.raises(LogoError, match="busy; wait for it"),
        disk.locked(file, "busy"),
    ):
        pass
    assert not file.exists()


def test_other_os_errors_pass_through(tmp_path):
    with pytest.raises(BrokenPipeError), disk.guarded(tmp_path):
        raise BrokenPipeError(errno.EPIPE, "no")


def test_a_full_disk_keeps_the_old_text(tmp_path, monkeypatch):
    disk.write_text(tmp_path / "f", "old")

    def full(_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LogoError, match="disk is full"):
        disk.write_text(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
