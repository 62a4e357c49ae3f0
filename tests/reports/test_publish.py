"""A report replaces its own files, and touches nothing else."""

import json
import os

import pytest

from dis_bench.errors import InputError
from dis_bench.records.processes import make_stamp
from dis_bench.reports.publish import check_folder, publish
from tests.runners.abandoned import DEAD


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_writes_files_and_their_list(tmp_path):
    publish(tmp_path / "report", {"index.html": b"page", "plots/a.png": b"a"})
    files = tree(tmp_path / "report")
    assert set(files) == {"index.html", "plots/a.png", "report.json"}
    assert files["index.html"] == b"page"
    assert set(json.loads(files["report.json"])["files"]) == {"index.html", "plots/a.png"}


def test_replaces_its_own_and_removes_what_it_no_longer_has(tmp_path):
    publish(tmp_path, {"index.html": b"old", "plots/a.png": b"a", "plots/b.png": b"b"})
    publish(tmp_path, {"index.html": b"new", "plots/a.png": b"a2"})
    files = tree(tmp_path)
    assert (files["index.html"], files["plots/a.png"]) == (b"new", b"a2")
    assert set(files) == {"index.html", "plots/a.png", "report.json"}


def test_a_user_s_files_stay(tmp_path):
    publish(tmp_path, {"index.html": b"old", "plots/a.png": b"a"})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "plots" / "mine.png").write_bytes(b"mine")
    (tmp_path / "plots" / "a.png").write_bytes(b"a, retouched")
    publish(tmp_path, {"index.html": b"new"})
    files = tree(tmp_path)
    assert files["notes.txt"] == files["plots/mine.png"] == b"mine"
    assert files["plots/a.png"] == b"a, retouched"  # edited since, so no longer only ours


@pytest.mark.parametrize("name", ["index.html", "table.csv", "report.json"])
def test_a_foreign_file_of_the_same_name_is_refused(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}' was not written by `dis-bench report`"):
        publish(tmp_path, {"index.html": b"page", "table.csv": b"1"})
    assert tree(tmp_path) == {name: b"mine"}


def test_a_list_cannot_point_outside(tmp_path):
    outside = tmp_path / "precious"
    outside.write_bytes(b"x")
    report = tmp_path / "report"
    publish(report, {"index.html": b"page"})
    listed = json.loads((report / "report.json").read_text())
    listed["files"]["../precious"] = (
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of x
    )
    (report / "report.json").write_text(json.dumps(listed))
    publish(report, {"index.html": b"page"})
    assert outside.read_bytes() == b"x"


def test_a_report_that_was_cut_short_can_be_written_again(tmp_path, monkeypatch):
    from dis_bench.reports import publish as module

    write = module.write_whole

    def fail_on_page(path, content):
        if path.name == "index.html":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(module, "write_whole", fail_on_page)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, {"index.html": b"page", "plots/a.png": b"a"})
    monkeypatch.undo()
    publish(tmp_path, {"index.html": b"page"})
    assert set(tree(tmp_path)) == {"index.html", "report.json"}


@pytest.mark.parametrize("written", [0, 1])
def test_what_a_report_that_was_cut_short_left_stays_its_own(written, tmp_path, monkeypatch):
    from dis_bench.reports import publish as module

    publish(tmp_path, {"index.html": b"page", "plots/a.png": b"old", "plots/b.png": b"old"})
    write, left = module.write_whole, [1 + written]  # the list, and so many files

    def stop(path, content):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(module, "write_whole", stop)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, {"index.html": b"page", "plots/a.png": b"new", "plots/b.png": b"new"})
    monkeypatch.undo()
    publish(tmp_path, {"index.html": b"page"})
    assert set(tree(tmp_path)) == {"index.html", "report.json"}
    publish(tmp_path, {"index.html": b"page", "plots/a.png": b"newer"})


def test_a_pipe_in_place_of_the_list_is_refused(tmp_path):
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(InputError, match="was not written by `dis-bench report`"):
        publish(tmp_path, {"index.html": b"page"})


def test_no_temporary_file_is_left_and_files_can_be_shared(tmp_path):
    publish(tmp_path, {"index.html": b"page"})
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    (tmp_path / "other").write_text("")
    assert (tmp_path / "index.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_folders_that_cannot_be_used_are_refused_early(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot be written to .*Not a directory"):
        check_folder(tmp_path / "file" / "report")
    check_folder(tmp_path / "no" / "such" / "folder")
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match="was not written by"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        publish(tmp_path / "file" / "report", {"index.html": b""})


def test_what_a_killed_report_left_goes_with_the_next(tmp_path):
    names = [f".index.html.{DEAD}", f"plots/.a.png.{DEAD}", f".report.json.{DEAD}"]
    publish(tmp_path, {"index.html": b"page", "plots/a.png": b"a"})
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    live = tmp_path / f".index.html.{make_stamp()}"  # another report is being written
    live.write_bytes(b"half")
    publish(tmp_path, {"index.html": b"page", "plots/a.png": b"a"})
    assert set(tree(tmp_path)) == {"index.html", "plots/a.png", "report.json", live.name}
