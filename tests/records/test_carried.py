"""Files of cells arrive whole, and a checkpoint after what belongs to it."""

import os

import pytest

from dis_bench.records.carried import read_files, write_files


def test_files_arrive_as_they_were_without_those_half_written(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "codes.npz").write_bytes(b"codes")
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"state")
    (tmp_path / "a" / "claimed").write_bytes(b"")
    (tmp_path / "a" / ".checkpoint.pt.half").write_bytes(b"st")
    files = read_files(tmp_path / "a")
    assert files == {"codes.npz": b"codes", "checkpoint.pt": b"state"}
    assert read_files(tmp_path / "a", "checkpoint*") == {"checkpoint.pt": b"state"}
    assert read_files(tmp_path / "missing") == {}
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "codes.npz").write_bytes(b"older")
    write_files(tmp_path / "b", files)
    assert read_files(tmp_path / "b") == files
    assert len(list((tmp_path / "b").iterdir())) == 2


def test_records_and_checkpoints_come_last(tmp_path, monkeypatch):
    placed = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (placed.append(other.name), replace(one, other)))
    write_files(
        tmp_path, {"record.json": b"0", "checkpoint.pt": b"1", "codes.npz": b"2", "training.csv": b"3"}
    )
    assert placed[-2:] == ["record.json", "checkpoint.pt"]
    assert len(placed) == 4


def test_no_folder_is_made_where_another_process_took_it(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_files(tmp_path / "taken", {"training.csv": b""})
    assert list(tmp_path.iterdir()) == []
