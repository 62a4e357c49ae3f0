"""Partial files: one writer at a time, no links, complete under their final name."""

import errno
import fcntl
import os
import threading

import pytest

from dis_bench.datasets.part import Part


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.bin"


def write(target, content):
    with Part(target) as part:
        part.clear()
        part.file.write(content)
        part.move_into_place()


def test_a_target_is_whole(target):
    with Part(target) as part:
        part.file.write(b"half")
        assert not target.exists()
        part.file.write(b" and half")
        part.move_into_place()
    assert target.read_bytes() == b"half and half"
    assert list(target.parent.iterdir()) == [target]


def test_what_was_written_outlives_a_failure_and_nothing_else(target):
    def be_stopped():
        with Part(target) as part:
            part.file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_stopped()
    with Part(target) as part:
        assert (part.size, part.file.read()) == (4, b"half")
        part.clear()
    assert list(target.parent.iterdir()) == []


def test_permissions_are_those_of_any_file(target):
    write(target, b"whole")
    (other := target.with_name("other")).write_bytes(b"")
    assert target.stat().st_mode == other.stat().st_mode


def test_the_second_writer_waits_and_finds_the_first_ones_file(target, capsys):
    found = []

    def come_second():
        with Part(target):
            found.append(target.read_bytes())

    with Part(target) as part:
        second = threading.Thread(target=come_second)
        second.start()
        second.join(0.2)
        assert second.is_alive()
        part.file.write(b"whole")
        part.move_into_place()
    second.join(10)
    assert found == [b"whole"]
    assert "Waiting for another process that is writing" in capsys.readouterr().err


def test_a_part_that_was_replaced_is_not_moved(target):
    with Part(target) as part:
        part.file.write(b"ours")
        part.path.unlink()
        part.path.write_bytes(b"theirs")
        with pytest.raises(OSError, match="was replaced meanwhile"):
            part.move_into_place()
    assert not target.exists()
    assert part.path.read_bytes() == b"theirs"


def test_without_locks_each_writer_has_a_file_of_its_own(target, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    target.with_name("a.bin.part").write_bytes(b"left by somebody")
    with Part(target) as first:
        assert first.size == 0
        first.file.write(b"first")
        write(target, b"second")
        with pytest.raises(OSError, match="was replaced meanwhile"):
            first.move_into_place()
    assert target.read_bytes() == b"second"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_another_users_part_is_not_gone_on_with(target):
    part = target.with_name("a.bin.part")
    part.write_bytes(b"theirs")
    os.chown(part, 12345, -1)
    with part.open("r+b") as theirs:
        write(target, b"ours")
        theirs.write(b"evil")
    assert target.read_bytes() == b"ours"


def test_a_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "no" / "a.bin", b"")


def test_a_part_made_anew_has_nothing_of_a_stopped_process_and_leaves_nothing(target):
    target.with_name("a.bin.part").write_bytes(b"half")
    with pytest.raises(KeyboardInterrupt), Part(target, anew=True) as part:  # noqa: PT012
        assert part.size == 0
        part.file.write(b"half")
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == []
    with Part(target, anew=True) as part:
        part.file.write(b"whole")
        part.move_into_place()
    assert target.read_bytes() == b"whole"
