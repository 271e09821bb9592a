"""Downloads from a server that cuts, stalls, lies, changes its file and refuses."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from logo_tf import disk
from logo_tf.data import transfer
from logo_tf.data.download import download
from logo_tf.data.partial_file import PartialFile
from logo_tf.data.transfer import DownloadConfig
from logo_tf.errors import LogoError

QUICK = {"backoff": 0.0, "timeout": 5.0}


def fetch(server, out, **settings):
    return download(server.url, out, DownloadConfig(**{**QUICK, **settings}))


def digest(content):
    return hashlib.sha256(content).hexdigest()


def ranges(server):
    return [headers.get("Range") for headers in server.requests]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "toy.bin"


def left(out):
    """What a failed download left in the folder."""
    return sorted(file.name for file in out.parent.iterdir())


def test_a_file_with_its_checksum(file_server, out):
    done = fetch(file_server, out, sha256=digest(file_server.content))
    assert out.read_bytes() == file_server.content
    assert done.path == out
    assert (done.size, done.changed) == (204_800, False)
    assert left(out) == ["toy.bin"]
    assert file_server.requests[0]["Accept-Encoding"] == "identity"
    assert "Range" not in file_server.requests[0]


def test_without_a_checksum_its_own_is_returned(file_server, out):
    assert fetch(file_server, out).sha256 == digest(file_server.content)


def test_an_empty_file(file_server, out):
    file_server.content = b""
    assert fetch(file_server, out).size == 0
    assert out.read_bytes() == b""


def test_another_checksum_leaves_nothing_and_names_both(file_server, out):
    with pytest.raises(LogoError) as caught:
        fetch(file_server, out, sha256="0" * 64)
    assert digest(file_server.content) in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert left(out) == []


def test_a_cut_connection_is_continued(file_server, out):
    file_server.script = [file_server.cut(100_000), file_server.cut(50_000)]
    assert fetch(file_server, out).size == 204_800
    assert out.read_bytes() == file_server.content
    assert ranges(file_server)[0] is None
    first, second = (int(asked[6:-1]) for asked in ranges(file_server)[1:])
    assert 80_000 < first <= 100_000
    assert first < second <= first + 50_000
    assert file_server.requests[1]["If-Range"] == '"one"'


def test_lost_for_good_then_resumed_by_the_next_call(file_server, out):
    file_server.script = [file_server.cut(100_000), file_server.cut(0), file_server.cut(0)]
    with pytest.raises(LogoError, match="cut short, 3 times in a row; .* run the same command"):
        fetch(file_server, out, retries=2)
    assert left(out) == ["toy.bin.partial", "toy.bin.partial.json"]
    held = (out.parent / "toy.bin.partial").stat().st_size
    assert held > 80_000
    fetch(file_server, out)
    assert ranges(file_server)[-1] == f"bytes={held}-"
    assert out.read_bytes() == file_server.content
    assert left(out) == ["toy.bin"]


def test_a_stalled_server(file_server, out):
    file_server.script = [file_server.stall(100_000)]
    fetch(file_server, out, timeout=0.2)
    assert out.read_bytes() == file_server.content
    file_server.script = [file_server.stall(0)] * 2
    with pytest.raises(LogoError, match="no answer in time, 2 times in a row"):
        fetch(file_server, out.with_name("other"), timeout=0.1, retries=1)


def test_kill_9_keeps_what_came_and_the_next_call_resumes(file_server, out):
    file_server.script = [file_server.stall(150_000)]
    code = "import sys; from logo_tf.data.download import download; download(*sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, file_server.url, str(out)])
    partial = disk.partial(out)
    until = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 130_000):
        assert time.monotonic() < until
        time.sleep(0.02)
    with pytest.raises(LogoError, match="another process is fetching it"):
        fetch(file_server, out)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    held = partial.stat().st_size
    fetch(file_server, out, sha256=digest(file_server.content))
    assert ranges(file_server) == [None, f"bytes={held}-"]


@pytest.mark.parametrize("conditional", [True, False], ids=["If-Range", "ignores If-Range"])
def test_a_file_that_changed_is_not_spliced(file_server, out, conditional):
    file_server.script = [file_server.cut(100_000), file_server.cut(0)]
    with pytest.raises(LogoError):
        fetch(file_server, out, retries=0)
    file_server.script = []
    file_server.content = file_server.content[::-1]
    file_server.headers = {"ETag": '"two"'}
    file_server.conditional = conditional
    assert fetch(file_server, out).changed
    assert out.read_bytes() == file_server.content


def test_a_file_that_became_shorter_than_its_part(file_server, out):
    file_server.script = [file_server.cut(100_000)]
    with pytest.raises(LogoError):
        fetch(file_server, out, retries=0)
    file_server.content = b"short"
    file_server.conditional = False  # so that it answers 416
    assert fetch(file_server, out).changed
    assert out.read_bytes() == b"short"


def test_a_server_without_ranges_begins_anew(file_server, out):
    file_server.ranges = False
    file_server.script = [file_server.cut(100_000)]
    assert not fetch(file_server, out).changed
    assert out.read_bytes() == file_server.content
    # One that is always cut at the same place gains nothing, and is given up.
    file_server.script = [file_server.cut(100_000)] * 9
    with pytest.raises(LogoError, match="3 times in a row"):
        fetch(file_server, out.with_name("other"), retries=2)


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "Mon"),
        ({"ETag": 'W/"weak"'}, None),
        ({}, None),
    ],
)
def test_only_what_tells_versions_apart_lets_a_part_be_continued(
    file_server, out, headers, condition
):
    file_server.headers = headers
    file_server.script = [file_server.cut(100_000)]
    fetch(file_server, out)
    assert out.read_bytes() == file_server.content
    asked = file_server.requests[1]
    assert ("Range" in asked) == (condition is not None)
    assert asked.get("If-Range", "").startswith(condition or "")


def test_a_part_of_another_address_is_dropped(file_server, out):
    file_server.script = [file_server.cut(100_000)]
    with pytest.raises(LogoError):
        fetch(file_server, out, retries=0)
    download(file_server.url + "?other", out, DownloadConfig(**QUICK))
    assert ranges(file_server) == [None, None]


def test_a_whole_part_needs_no_server(file_server, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, "settle", lambda self, out: 1 / 0)  # as a kill before the rename
        with pytest.raises(ZeroDivisionError):
            fetch(file_server, out)
    fetch(file_server, out)
    assert len(file_server.requests) == 1
    assert out.read_bytes() == file_server.content


def test_a_note_that_is_no_note_is_begun_anew(file_server, out):
    out.parent.mkdir()
    disk.partial(out).write_bytes(b"junk")
    (out.parent / "toy.bin.partial.json").write_text('{"url": ')
    fetch(file_server, out)
    assert out.read_bytes() == file_server.content


def test_lies_about_the_length(file_server, out):
    file_server.script = [file_server.declare(300_000)] * 9
    with pytest.raises(LogoError, match="cut short, 2 times in a row"):
        fetch(file_server, out, retries=1)
    file_server.script = [file_server.declare(1000)]
    with pytest.raises(LogoError, match="has sha256"):
        fetch(file_server, out.with_name("b"), sha256=digest(file_server.content))
    assert not out.exists()
    assert not out.with_name("b").exists()


def test_refusals_are_final(file_server, out):
    refuse = file_server.refuse
    for status, said in (
        (401, "~/.netrc"),
        (403, "it refuses"),
        (404, "404: there is no such file; check the address"),
        (416, "check the address"),
        (429, "too many requests; wait a while"),
        (500, "500: try again later"),
        (206, "check the address"),  # a part that nobody asked for
    ):
        file_server.requests.clear()
        file_server.script = [refuse(status)]
        with pytest.raises(LogoError) as caught:
            fetch(file_server, out)
        assert said in str(caught.value)
        assert len(file_server.requests) == 1
        assert left(out) == []
    file_server.script = [refuse(429, Retry_After="120")]
    with pytest.raises(LogoError, match="after 120 s"):
        fetch(file_server, out)


def test_a_refusal_keeps_the_part(file_server, out):
    file_server.script = [file_server.cut(100_000), file_server.refuse(500)]
    with pytest.raises(LogoError, match="answers 500"):
        fetch(file_server, out)
    fetch(file_server, out)
    assert ranges(file_server)[2].startswith("bytes=")


def test_redirects(file_server, out):
    file_server.script = [file_server.refuse(302, Location="/elsewhere")]
    fetch(file_server, out)
    assert [asked["path"] for asked in file_server.requests] == ["/toy.bin", "/elsewhere"]
    for place, said in (
        ("file:///etc/passwd", "No connection adapters were found for 'file:///etc/passwd'"),
        ("ftp://127.0.0.1/x", "No connection adapters"),
        ("http://[bad", "cannot be fetched"),
    ):
        file_server.script = [file_server.refuse(302, Location=place)]
        with pytest.raises(LogoError) as caught:
            fetch(file_server, out.with_name("b"))
        assert said in str(caught.value)
    file_server.script = [file_server.refuse(302, Location="/round")] * 9
    with pytest.raises(LogoError, match="Exceeded 5 redirects"):
        fetch(file_server, out.with_name("b"))
    assert left(out) == ["toy.bin"]


def test_a_redirect_from_https_to_http_is_refused():
    hops = [requests.Response(), requests.Response()]
    hops[0].url, hops[1].url = "https://a/b", "http://a/b"
    hops[1].history = hops[:1]
    with pytest.raises(LogoError, match="redirects from https to http"):
        transfer._require_secure("https://a/b", hops[1])


def test_the_size_limit(file_server, out):
    with pytest.raises(LogoError, match="has 204800 bytes or more, the limit is 204799"):
        fetch(file_server, out, max_bytes=204_799)
    assert left(out) == []
    chunks = b"".join(b"1000\r\n" + bytes(4096) + b"\r\n" for _ in range(50)) + b"0\r\n\r\n"
    head = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked"
    file_server.script = [file_server.raw(head, chunks)] * 2
    with pytest.raises(LogoError, match="the limit is 100000"):
        fetch(file_server, out, max_bytes=100_000)
    assert left(out) == []
    assert fetch(file_server, out).size == 50 * 4096


def test_an_end_that_nobody_announced_needs_a_checksum(file_server, out):
    file_server.script = [file_server.raw("HTTP/1.1 200 OK", b"content")] * 2
    with pytest.raises(LogoError, match="does not say how long the file is.* --sha256"):
        fetch(file_server, out)
    assert left(out) == []
    fetch(file_server, out, sha256=digest(b"content"))
    assert out.read_bytes() == b"content"


def test_a_compressed_form_is_refused(file_server, out):
    head = "HTTP/1.1 200 OK\nContent-Length: 3\nContent-Encoding: gzip"
    file_server.script = [file_server.raw(head, b"abc")]
    with pytest.raises(LogoError, match="compressed form"):
        fetch(file_server, out)


def test_no_server(file_server, out):
    file_server.close()
    with pytest.raises(LogoError, match="no connection, 2 times in a row; check the address"):
        fetch(file_server, out, retries=1)


def test_pauses_grow(file_server, out, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    file_server.script = [file_server.cut(0)] * 9
    with pytest.raises(LogoError):
        fetch(file_server, out, backoff=1.0, retries=8)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_exists_stays(file_server, tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(LogoError, match="already exists"):
        fetch(file_server, there)
    with pytest.raises(LogoError, match=r"is a folder; name the file to make, such as .*/toy\.bin"):
        fetch(file_server, tmp_path)
    (tmp_path / "run.partial").mkdir()
    with pytest.raises(LogoError, match=r"run\.partial: is a folder of other work"):
        fetch(file_server, tmp_path / "run")
    assert there.read_text() == "mine"
    assert file_server.requests == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "begins with http"),
        ("ftp://a/b", "begins with http"),
        ("http://", "begins with http"),
        ("http://[bad", "begins with http"),
        ("https://me:secret@a/b", "the address of a holds a login"),
    ],
)
def test_addresses_that_are_refused(out, url, said):
    with pytest.raises(LogoError) as caught:
        download(url, out)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not out.parent.exists()


def test_a_checksum_that_is_none(out):
    with pytest.raises(LogoError, match="'abc' is no sha256"):
        download("https://a/b", out, DownloadConfig(sha256="abc"))


def test_a_full_disk_keeps_the_part(file_server, out, monkeypatch):
    append = PartialFile.append

    def full(self, data):
        if self.size > 100_000:
            raise OSError(errno.ENOSPC, "no space")
        append(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, "append", full)
        with pytest.raises(LogoError, match="the disk is full"):
            fetch(file_server, out)
    fetch(file_server, out)
    assert ranges(file_server)[1].startswith("bytes=1")
    assert out.read_bytes() == file_server.content


def test_a_folder_that_is_a_file(file_server, tmp_path):
    Path(tmp_path / "file").write_text("")
    with pytest.raises(LogoError, match="a file stands where a folder is needed"):
        fetch(file_server, tmp_path / "file" / "toy.bin")
