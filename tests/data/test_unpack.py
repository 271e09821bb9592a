"""Archives that are what they should be, and all that a hostile one may try."""

import io
import os
import runpy
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from logo_tf import disk
from logo_tf.data.unpack import UnpackConfig, unpack
from logo_tf.errors import LogoError

GOOD = {"toy.vlt/Good/metadata.json": b"{}", "toy.vlt/Good/d/0f": bytes(range(256)) * 200}
TARS = ["tar", "tar.gz", "tar.bz2", "tar.xz"]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """No power fails here: files need not reach the disk."""
    monkeypatch.setattr(disk, "_sync", lambda path: None)


def write_zip(path, members, **how):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path, members, **attributes):
    """Write a tar; the ``attributes`` are those of every member."""
    kind = path.suffix.removeprefix(".")
    with tarfile.open(path, "w" if kind == "tar" else f"w:{kind}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of_names(path, names):
    """Write empty members; names may come again."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


def tar_of_names(path, names):
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return path


def write(folder, kind, members):
    return (write_zip if kind == "zip" else write_tar)(folder / f"toy.{kind}", members)


def contents(folder):
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def refused(archive, said, **limits):
    """Check that an archive is refused, and that nothing is left beside it."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(LogoError) as caught:
        unpack(archive, archive.parent / "out", UnpackConfig(**limits))
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(archive))
    assert "\n" not in message
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_a_good_archive(tmp_path, kind):
    archive = write(tmp_path, kind, {"./": b"", **GOOD} if kind == "tar" else GOOD)
    done = unpack(archive.rename(tmp_path / "no name says what it is"), tmp_path / "out")
    assert contents(tmp_path / "out") == GOOD
    assert (done.files, done.size) == (2, 2 + 51_200)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["no name says what it is", "out"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_folders_may_come_as_members(tmp_path):
    archive = zip_of_names(tmp_path / "toy.zip", ("a/", "a/b/", "a/", "a/b/c"))
    assert unpack(archive, tmp_path / "out").files == 1
    assert (tmp_path / "out/a/b/c").is_file()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x", "leaves the folder"),
        ("a/../../x", "leaves the folder"),
        ("/etc/passwd", "is an absolute path"),
        ("a\\..\\..\\x", "backslash"),
        ("a\x1b[2Jb", "unprintable"),
        (".", "has no name"),
        ("abc/" * 250 + "x", "too long a name"),
        ("n" * 256, "too long a name"),
    ],
)
def test_names_that_are_refused(tmp_path, kind, name, said):
    members = {"first": b"is written before the fault is seen", name: b"x"}
    refused(write(tmp_path, kind, members), said)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a", "a"), "'a' takes the place of 'a'"),
        (("Data/x", "data/y"), "'data/y' takes the place of 'Data'"),
        (("x.npy", "X.npy"), "takes the place of 'x.npy'"),
        (("\u00e9", "e\u0301"), "takes the place of"),
        (("a", "a/b"), "takes the place of 'a'"),
        (("a/b", "a"), "takes the place of 'a'"),
        (("a/b", "a/./b"), "takes the place of 'a/b'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_clash(tmp_path, kind, names, said):
    write = {"zip": zip_of_names, "tar": tar_of_names}[kind]
    refused(write(tmp_path / f"toy.{kind}", names), said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "is a symbolic link"),
        (tarfile.LNKTYPE, "is a hard link"),
        (tarfile.CHRTYPE, "neither a file nor a folder"),
        (tarfile.BLKTYPE, "neither a file nor a folder"),
        (tarfile.FIFOTYPE, "neither a file nor a folder"),
        (tarfile.GNUTYPE_SPARSE, "is a sparse file"),
    ],
)
def test_members_of_a_tar_that_are_no_files(tmp_path, kind, said):
    refused(write_tar(tmp_path / "a.tar", {"a": b""}, type=kind, linkname="/etc/passwd"), said)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (stat.S_IFLNK, "is a symbolic link"),
        (stat.S_IFIFO, "neither a file nor a folder"),
        (stat.S_IFCHR, "neither a file nor a folder"),
    ],
)
def test_members_of_a_zip_that_are_no_files(tmp_path, mode, said):
    info = zipfile.ZipInfo("a")
    info.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", said)


def test_permissions_are_not_kept(tmp_path):
    archive = write_tar(tmp_path / "a.tar", {"a": b"x"}, mode=0o7777, uid=12345)
    unpack(archive, tmp_path / "out")
    found = (tmp_path / "out" / "a").stat()
    assert stat.S_IMODE(found.st_mode) & 0o7111 == 0
    assert found.st_uid == os.getuid()


def test_a_hundred_thousand_members(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"00000": b""})
    content = archive.read_bytes()
    listed, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[listed:end]
    entries = b"".join(entry.replace(b"00000", b"%05d" % number) for number in range(100_000))
    ending = bytearray(content[end:])
    struct.pack_into("<I", ending, 12, len(entries))
    archive.write_bytes(content[:listed] + entries + ending)
    refused(archive, "more than 50000 files and folders (--max-members)")


def test_folders_count_as_members(tmp_path):
    members = {f"{number}/" + "d/" * 9 + "x": b"" for number in range(20)}  # 220 files and folders
    for kind in ("zip", "tar"):
        refused(write(tmp_path, kind, members), "more than 200 files", max_members=200)
        unpack(tmp_path / f"toy.{kind}", tmp_path / f"out-{kind}", UnpackConfig(max_members=220))


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_ratio_of_a_thousand(tmp_path, kind):
    archive = write(tmp_path, kind, {"zeros": bytes(5 * 2**20)})
    assert 5 * 2**20 / archive.stat().st_size > 800
    refused(archive, "more than 200 times its own size (--max-ratio)")
    assert unpack(archive, tmp_path / "out", UnpackConfig(max_ratio=100_000)).size == 5 * 2**20


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_over_the_size_limit(tmp_path, kind):
    noise = np.random.default_rng(0).bytes(60_000)
    archive = write(tmp_path, kind, {"a": noise, "b": noise})
    refused(archive, "more than 100000 bytes (--max-size)", max_bytes=100_000)


def lying(path, size):
    """Write a zip whose one member of 100 KB declares another size, in both headers."""
    write_zip(path, {"a": bytes(100_000)})
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 22, size)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    path.write_bytes(content)
    return path


def test_a_zip_that_lies_about_sizes(tmp_path):
    refused(lying(tmp_path / "a.zip", 10), "Bad CRC-32")
    refused(lying(tmp_path / "a.zip", 4_000_000_000), "declares 4000000000 bytes and holds 100000")


def test_a_zip_whose_list_is_too_long_to_be_read(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a": b"x"})
    content = bytearray(archive.read_bytes())
    end = content.index(b"PK\x05\x06")
    with open(archive, "wb") as file:  # the end record, 40 MB later
        file.write(content[:end])
        file.seek(40_000_000)
        struct.pack_into("<I", content, end + 12, 40_000_000 - 32)
        file.write(content[end:])
    refused(archive, "the list of its members takes 39999968 bytes")


def test_an_encrypted_zip(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a": b"x"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, "is encrypted")


def test_a_zip_compressed_otherwise(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x")
    refused(tmp_path / "a.zip", "otherwise than by deflate")


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_truncated_anywhere(tmp_path, kind):
    archive = write(tmp_path, kind, GOOD)
    whole = archive.read_bytes()
    # A tar is padded with zeros after its end, and its end is two blocks of which one will do.
    last = len(whole) if kind != "tar" else len(whole.rstrip(b"\0")) + 512
    for size in np.linspace(1, last - 1, 15).astype(int):
        archive.write_bytes(whole[:size])
        refused(archive, "not a readable zip or tar archive")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.REGTYPE, "declares -1024 bytes and holds 0"),
        (tarfile.XHDTYPE, "a header of -1024 bytes"),
    ],
)
def test_a_tar_header_that_leads_backwards(tmp_path, kind, said):
    info = tarfile.TarInfo("a")
    info.type = kind
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = tarfile.itn(-1024, 12, tarfile.GNU_FORMAT)
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    refused(tmp_path / "a.tar", said)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_of_gigabytes(tmp_path, kind):
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, 2**32
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    refused(tmp_path / "a.tar", "a header of 4294967296 bytes")


@pytest.mark.parametrize("content", [b"", b"P", b"no archive", bytes(200), b"\x1f\x8bjunk"])
def test_what_is_no_archive(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "not a readable zip or tar archive")


def test_what_holds_no_file(tmp_path):
    refused(write(tmp_path, "zip", {}), "holds no file")
    refused(write(tmp_path, "tar", {}), "holds no file")


def test_paths_that_are_refused(tmp_path):
    with pytest.raises(LogoError, match="no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "out")
    archive = write(tmp_path, "zip", GOOD)
    (tmp_path / "out").mkdir()
    with pytest.raises(LogoError, match="already exists"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_damaged_archives(tmp_path, kind):
    """Eighty random damages: unpacked or refused in one line, never a traceback."""
    damaged = runpy.run_path(str(Path(__file__).parent / "formats/fuzz.py"))["damaged"]
    archive = write(tmp_path, kind, {"a/b": b"text" * 50, "a/c": bytes(300), "d": b""})
    whole, refusals = archive.read_bytes(), []
    for mutation in range(80):
        archive.write_bytes(damaged(whole, np.random.default_rng([len(kind), mutation])))
        try:
            unpack(archive, tmp_path / "out")
        except LogoError as error:
            refusals.append(str(error))
        else:
            shutil.rmtree(tmp_path / "out")
        assert [file.name for file in tmp_path.iterdir()] == [archive.name]
    assert len(refusals) > 10
    assert not any("\n" in message for message in refusals)
