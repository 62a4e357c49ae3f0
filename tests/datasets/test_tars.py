"""Tar archives: whatever their headers announce takes little memory, and ends in a sentence."""

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile

import pytest

from dis_bench.datasets.members import Members
from dis_bench.datasets.tars import LONGEST, stream_files
from dis_bench.errors import InputError

LONG = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE]
LONG += [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]


def read(path, largest=1 << 30):
    return list(stream_files(path, lambda name: name.endswith(".png"), largest))


def header(kind=tarfile.REGTYPE, size=0, name="a.png", edit=None):
    """Return the block that starts a member, with a right checksum."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    if edit is not None:
        edit(block)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + bytes(-len(content) % 512)


def record(key, value):
    """Return an attribute as a header has it: with its own length in front."""
    body = b" " + key + b"=" + value + b"\n"
    size = len(body)
    while len(b"%d" % size) + len(body) != size:
        size = len(b"%d" % size) + len(body)
    return b"%d" % size + body


def with_attributes(kind, *records):
    content = b"".join(records)
    return header(kind, len(content)) + padded(content)


def write(path, *blocks):
    path.write_bytes(b"".join([*blocks, bytes(1024)]))
    return path


def map_holes(block):
    """Say that the map of a file's holes goes on in the next block."""
    block[482] = 1


def go_back(block):
    """Give a member a size that ends it where it began."""
    block[124:136] = tarfile.itn(-512, 12, tarfile.GNU_FORMAT)


FILE = header(size=3) + padded(b"abc")
TOO_LONG = f"headers of more than {LONGEST:,} bytes"
GOES_ON = bytes(504) + b"\1" + bytes(7)
BAD = {
    **{
        f"a long header {kind}": ([header(kind, 2 * LONGEST), bytes(2 * LONGEST), FILE], TOO_LONG)
        for kind in LONG
    },
    **{f"a header {kind} that only announces": ([header(kind, 8 << 30)], TOO_LONG) for kind in LONG},
    "many headers of a file": (
        [(header(tarfile.GNUTYPE_LONGNAME, LONGEST // 4) + bytes(LONGEST // 4)) * 5, FILE],
        TOO_LONG,
    ),
    "headers for all files": (
        [
            with_attributes(tarfile.XGLTYPE, record(b"%d" % number, b"x" * (LONGEST // 4))) + FILE
            for number in range(5)
        ],
        TOO_LONG,
    ),
    "a long map of holes": (
        [header(tarfile.GNUTYPE_SPARSE, edit=map_holes), GOES_ON * (LONGEST // 512), FILE],
        TOO_LONG,
    ),
    "a long map of holes within a file": (
        [
            with_attributes(
                tarfile.XHDTYPE,
                *(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0")),
                record(b"GNU.sparse.realsize", b"9"),
            ),
            header(size=2 * LONGEST),
            b"999999999\n".ljust(512, b"0") + b"0\n" * LONGEST,
        ],
        TOO_LONG,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_headers_that_announce_too_much_are_refused(tmp_path, case):
    blocks, reason = BAD[case]
    path = write(tmp_path / "a.tar", *blocks)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    for packed in (path, tmp_path / "a.tar.gz"):
        with pytest.raises(InputError) as error:
            read(packed)
        assert f"'{packed}' is no complete tar file (ReadError: {reason}): get it again" in str(error.value)
    with pytest.raises(InputError) as error:
        Members(path).list_names()
    assert f"'{path}' is no complete zip or tar file (ReadError: {reason})" in str(error.value)


def test_a_size_below_zero_does_not_lead_back(tmp_path):
    path = write(tmp_path / "a.tar", FILE, header(edit=go_back))
    with pytest.raises(InputError, match=r"is no complete (zip or )?tar file"):  # newer Pythons stop there
        Members(path).list_names()
    with contextlib.suppress(InputError):
        assert read(path) == [("a.png", b"abc")]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_long_names_and_many_files_are_read(tmp_path, kind, mode):
    contents = {f"{'folder/' * 200}é{number}.png": b"%d" % number * 600 for number in range(300)}
    with tarfile.open(tmp_path / "a.tar", mode, format=kind, pax_headers={"comment": "x" * 900}) as packed:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    assert dict(read(tmp_path / "a.tar")) == contents
    if mode == "w":
        assert dict(Members(tmp_path / "a.tar").read()) == contents


def pack_with_fields(content):
    """Pack with a name, a comment and a checksum in the header of gzip."""
    packed = gzip.compress(content)
    return packed[:3] + b"\x1a" + packed[4:10] + b"name\0" + b"comment\0" + b"cc" + packed[10:]


@pytest.mark.parametrize("pack", [gzip.compress, pack_with_fields, bz2.compress, lzma.compress])
def test_packed_archives_that_end_within_their_header_are_refused(tmp_path, pack):
    path = write(tmp_path / "a.tar", FILE)
    content = pack(path.read_bytes())
    path.write_bytes(content)
    assert read(path) == [("a.png", b"abc")]
    for end in range(32):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match="is no complete tar file"):
            read(path)
