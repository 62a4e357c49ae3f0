"""Streams that cannot write what is printed, and texts that are not UTF-8."""

import errno
import io
import os
import sys
import warnings
from contextlib import ExitStack

import pytest

from dis_bench.printing import PACKAGE, as_utf8, plain_warnings, printable, unbreakable

TABLE = "β = 4 ± 1, reconstruction ↓ \N{MINUS SIGN}1 … naïve 图 r\udce9s"


def encoded(encoding, errors="strict"):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, write_through=True)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "beta = 4 +- 1, reconstruction v -1 ... na?ve ? r\\xe9s"),
        ("cp1252", "beta = 4 ± 1, reconstruction v -1 … naïve ? r\\xe9s"),
        ("latin-1", "beta = 4 ± 1, reconstruction v -1 ... naïve ? r\\xe9s"),
        ("utf-8", "β = 4 ± 1, reconstruction ↓ \N{MINUS SIGN}1 … naïve 图 r\\xe9s"),
    ],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_a_stream_lacks_is_spelled(monkeypatch, name, encoding, expected):
    stream = encoded(encoding)
    monkeypatch.setattr(sys, name, stream)
    with printable():
        print(TABLE, file=getattr(sys, name), end="")
    assert stream.buffer.getvalue().decode(encoding) == expected
    assert stream.errors == "strict"
    assert getattr(sys, name) is stream


def test_streams_of_other_kinds_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    with unbreakable() as lost:
        print(TABLE)
        print(TABLE, file=sys.stderr)
    assert sys.stdout.getvalue() == TABLE + "\n"
    assert sys.stderr is None
    assert lost == []


@pytest.fixture
def own_stdout(monkeypatch):
    """Return a function that puts a stream over a descriptor in place of stdout."""

    with ExitStack() as stack:

        def put(descriptor):
            stream = stack.enter_context(open(descriptor, "w", encoding="utf-8"))
            monkeypatch.setattr(sys, "stdout", stream)
            monkeypatch.setattr(sys, "__stdout__", stream)
            return stream

        yield put


def test_a_reader_that_left_is_no_error(own_stdout):
    read, write = os.pipe()
    stream = own_stdout(write)
    with unbreakable() as lost:
        print("seen", flush=True)
        os.close(read)
        print("unseen", flush=True)
        print("β" * 100_000)
    assert lost == []
    assert sys.stdout is stream


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_full_disk_is_told_of_at_the_end(own_stdout):
    own_stdout(os.open("/dev/full", os.O_WRONLY))
    with unbreakable() as lost:
        print("lost", flush=True)
        print("lost", flush=True)
    assert [error.errno for error in lost] == [errno.ENOSPC]


def test_all_is_printed_in_order(own_stdout, tmp_path):
    own_stdout(os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT))
    print("before, ", end="")
    with unbreakable():
        print("within, ", end="")
    print("after", flush=True)
    assert (tmp_path / "out").read_text("utf-8") == "before, within, after\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("β", "β"),
        ("r\udce9s/é", "r\\xe9s/é"),
        ({"a\udcff": ["\udc80", 1, None, {"b": "\ud800"}]}, {"a\\xff": ["\\x80", 1, None, {"b": "?"}]}),
    ],
)
def test_texts_as_utf8(value, expected):
    assert as_utf8(value) == expected


def test_warnings_of_this_package_are_sentences_and_others_keep_their_place():
    here, before = str(PACKAGE / "runners" / "stages.py"), warnings.formatwarning
    with plain_warnings():
        said = [
            warnings.formatwarning("It begins anew.", UserWarning, here, 3),
            warnings.formatwarning("old", DeprecationWarning, here, 3),
            warnings.formatwarning("mine", UserWarning, "/home/me/mine.py", 7),
        ]
    assert warnings.formatwarning is before
    assert said[0] == "dis-bench: It begins anew.\n"
    assert "stages.py:3: DeprecationWarning: old" in said[1]
    assert said[2].startswith("/home/me/mine.py:7: UserWarning: mine")
