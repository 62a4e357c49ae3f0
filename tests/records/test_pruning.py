"""Pruning shows what could go, asks, and removes nothing that counts or that somebody works on."""

import errno
import os
import sys

import pytest

from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records import pruning
from dis_bench.records.pruning import find_prunable, prune
from dis_bench.records.record import write_record
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from tests.records.test_cell import CELL
from tests.records.test_store import record_of
from tests.runners.abandoned import abandon


@pytest.fixture
def full(store):
    """Return a folder with a replaced cell, a stopped one, and weights."""
    (store / "superseded" / "old").mkdir(parents=True)
    (store / "superseded" / "old" / "record.json").write_bytes(b"x" * 1000)
    claim = Store(store).claim(CELL)
    (claim.folder / "checkpoint.pt").write_bytes(b"x" * 500)
    claim.release()
    return store


def test_without_a_name_it_only_shows(full, capsys):
    before = {path: path.stat().st_mtime_ns for path in full.rglob("*")}
    assert main(["prune", str(full)]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:4] for line in out.splitlines()[:3]}
    assert lines == {
        "superseded": ["1", "1.0", "kB"],
        "unfinished": ["1", "500", "B"],
        "weights": ["4", "28", "B"],
    }
    assert "Nothing was removed." in out
    unchanged = {path: time for path, time in before.items() if path.name != "unfinished"}
    assert {path: path.stat().st_mtime_ns for path in unchanged} == unchanged


@pytest.mark.parametrize("kind", ["superseded", "unfinished", "weights"])
def test_what_is_named_goes_and_the_table_stays(kind, full, capsys):
    table = read_results(full)
    assert main(["prune", str(full), kind, "--yes"]) == 0
    left = {"superseded", "unfinished", "weights"} - {kind}
    found = find_prunable(full, sorted(left | {kind}))
    assert found[kind].paths == []
    assert all(found[name].paths for name in left)
    assert table.equals(read_results(full))
    assert main(["prune", str(full), kind, "--yes"]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "removed"), [("y", True), ("yes", True), ("n", False), ("", False)])
def test_it_asks_first(answer, removed, full, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: answer)
    assert main(["prune", str(full), "superseded", "weights"]) == (0 if removed else 1)
    assert (full / "superseded" / "old").exists() is not removed


def test_nothing_is_removed_where_nobody_can_be_asked(full, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(["prune", str(full), "superseded"]) == 2
    assert "nothing was removed; remove it with --yes" in capsys.readouterr().err
    assert (full / "superseded" / "old").exists()


def test_linked_cells_and_folders_of_others_are_left_alone(full, tmp_path):
    [own, *_] = sorted((full / "cells").glob("*"))
    combined = tmp_path / "combined"
    (combined / "cells").mkdir(parents=True)
    (combined / "cells" / own.name).symlink_to(own)
    (combined / "unfinished" / "notes").mkdir(parents=True)
    found = find_prunable(combined, ["weights", "unfinished"])
    assert found["weights"].paths == found["unfinished"].paths == []


def test_work_that_a_run_has_is_left_alone(full):
    found = find_prunable(full, ["unfinished"])
    with Store(full).claim(CELL) as claim:
        assert find_prunable(full, ["unfinished"])["unfinished"].paths == []
        assert prune(full, found) == 0
        assert (claim.folder / "checkpoint.pt").exists()


def test_a_finished_cell_that_was_not_placed_yet_is_placed(full):
    claim = Store(full).claim(CELL)
    write_record(claim.folder, record_of(CELL))
    claim.release(keep=True)
    found = find_prunable(full, ["unfinished"])
    assert len(found["unfinished"].paths) == 1
    assert prune(full, found) == 0
    assert Store(full).find(CELL) is not None


def test_other_words_and_folders_are_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="is not a result folder"):
        find_prunable(tmp_path, ["weights"])
    assert main(["prune", str(tmp_path), "weight"]) == 2
    assert "did you mean 'weights'" in capsys.readouterr().err


def test_the_checkpoints_of_killed_runs_are_measured_and_removed(store):
    results = Store(store)
    (results.claim(CELL).folder / "checkpoint.pt").write_bytes(b"x" * 500)
    abandon(results)
    found = find_prunable(store, ["unfinished"])
    assert found["unfinished"].size == 500
    assert prune(store, found) == 500
    assert list(results.unfinished.glob("[!.]*")) == []


@pytest.mark.parametrize("kind", ["superseded", "weights"])
def test_a_folder_that_is_read_only_is_said_in_a_sentence(kind, full, monkeypatch, capsys):
    def refuse(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(pruning, "remove", refuse)
    assert main(["prune", str(full), kind, "--yes"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("dis-bench: stopped: Read-only file system ('")
    assert said.count("\n") == 1
