"""Files are written atomically and flushed, and the remains of killed processes are removed."""

import errno
import os
import stat
import time

import pytest

from dis_bench.records import durable
from dis_bench.records.durable import exchange, explain, remove_temporaries, write_new, write_whole
from tests.runners.abandoned import DEAD


def test_a_file_is_whole_or_what_it_was(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "file"
    write_whole(path, b"old")

    def fail(*given):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="broken"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def test_a_new_file_is_never_written_over_another(tmp_path):
    write_new(tmp_path / "file", b"one")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", b"other")
    assert (tmp_path / "file").read_bytes() == b"one"


def test_half_a_new_file_does_not_stay(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_new(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == []


def test_files_can_be_shared(tmp_path):
    write_whole(tmp_path / "file", b"")
    (tmp_path / "other").write_text("")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_temporary_files_of_dead_processes_go(tmp_path):
    long = "a" * 143
    write_whole(tmp_path / long, b"")  # its temporary name is not longer
    stays = {".index.html.mine", "index.html", ".hidden", long}
    elsewhere = f".index.html.{DEAD.replace(DEAD[:8], '00000000')}"
    for name in (*stays, f".index.html.{DEAD}", f".{long[:80]}.{DEAD}", elsewhere):
        (tmp_path / name).write_text("")
    remove_temporaries(tmp_path)
    assert set(os.listdir(tmp_path)) == {*stays, elsewhere}
    then = time.time() - 2 * durable.DAY
    os.utime(tmp_path / elsewhere, (then, then))
    remove_temporaries(tmp_path)
    assert set(os.listdir(tmp_path)) == stays
    remove_temporaries(tmp_path / "absent")


def test_two_folders_are_exchanged_or_stay_as_they_are(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    done = exchange(tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path / "a") == (["b"] if done else ["a"])
    assert not exchange(tmp_path / "a", tmp_path / "absent")


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE]
)
def test_what_failed_is_a_sentence_with_advice(code):
    text = explain(OSError(code, os.strerror(code), "/a/file"))
    assert text.startswith(f"{os.strerror(code)} ('/a/file'); ")
    assert text.endswith("the same command continues")
