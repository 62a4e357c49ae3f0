"""Records are complete or absent, never overwritten, and are read as a tidy table."""

import dataclasses
import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.records import store as module
from dis_bench.records.codes import write_codes
from dis_bench.records.record import read_records, write_record
from dis_bench.records.schema import SCHEMA
from dis_bench.records.store import NotPlaced, Store
from dis_bench.records.sweep import sweep
from dis_bench.records.table import read_results, tabulate
from tests.records.test_cell import CELL
from tests.runners.abandoned import DEAD, abandon, leftovers


def record_of(cell, **changes):
    return {
        "schema": SCHEMA,
        "status": "done",
        "hash": cell.hash,
        "cell": cell.identity,
        "beta_norm": cell.hyperparameters.get("beta"),
        "evaluation": {
            "reconstruction": 20.0,
            "mse": 0.01,
            "kl": 10.0,
            "elbo": -30.0,
            "active_latents": 2,
            "kl_per_latent": [9.0, 1.0, *[0.0] * (cell.latent_size - 2)],
        },
        "scores": {"mig": 0.1},
        "protocol": {"mig": {"bins": 20}},
        "unscored": {},
        "timing": {"train_seconds": 1.0},
        "failure": None,
        "environment": {},
        "command": "dis-bench run",
        "created": "2026-11-20T09:30:00+00:00",
    } | changes


def put(store, cell, **changes):
    with store.new_folder(cell) as folder:
        write_record(folder, record_of(cell, **changes))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def with_beta(beta, seed=0):
    return dataclasses.replace(CELL, hyperparameters={"beta": beta}, seed=seed)


def test_a_record_comes_back(store):
    put(store, CELL)
    found = store.find(CELL)
    assert record_of(CELL).items() <= found.items()
    assert found["folder"] == str(store.folder(CELL))
    assert store.find(with_beta(5.0)) is None


def test_a_failed_block_leaves_nothing_behind(store):
    with pytest.raises(RuntimeError), store.new_folder(CELL) as folder:
        raise RuntimeError((folder / "half.csv").write_text("x"))
    assert list(store.unfinished.iterdir()) == []
    assert not store.cells.exists()


def test_what_is_replaced_is_kept(store):
    put(store, CELL, scores={"mig": 0.1})
    put(store, CELL, scores={"mig": 0.2})
    assert store.find(CELL)["scores"] == {"mig": 0.2}
    [old] = (store.root / "superseded").iterdir()
    assert json.loads((old / "record.json").read_text())["scores"] == {"mig": 0.1}


def test_further_records_stand_beside_the_first_and_the_newest_counts(store):
    put(store, CELL)
    for number in range(2, 12):  # past 10: numbers sort as numbers
        write_record(store.folder(CELL), record_of(CELL, scores={"mig": number / 100}))
    assert store.find(CELL)["scores"] == {"mig": 0.11}
    assert len(list(store.folder(CELL).glob("record*.json"))) == 11


def test_a_cell_has_one_writer_at_a_time(store):
    with store.new_folder(CELL) as one:
        write_record(one, record_of(CELL))
        with pytest.raises(BlockingIOError, match="another run is at work"):
            put(store, CELL)
    assert store.find(CELL)["status"] == "done"
    assert not (store.root / "superseded").exists()


@pytest.fixture(params=["exchange", "two renames"])
def way(request, monkeypatch):
    """Test both ways of replacing a folder; a file system may support only the second."""
    if request.param == "two renames":
        monkeypatch.setattr(module, "exchange", lambda one, other: False)
    return request.param


def test_a_result_is_replaced_and_the_old_one_kept(store, way):
    for score in (0.1, 0.2, 0.3):
        put(store, CELL, scores={"mig": score})
    assert store.find(CELL)["scores"] == {"mig": 0.3}
    old = [json.loads((one / "record.json").read_text()) for one in (store.root / "superseded").iterdir()]
    assert sorted(record["scores"]["mig"] for record in old) == [0.1, 0.2]
    assert leftovers(store) == []


def test_a_result_that_is_replaced_is_in_the_table_at_every_moment(store, monkeypatch):
    put(store, CELL)
    seen, rename, exchange = [], os.rename, module.exchange

    def look(do):
        def looking(*given):
            done = do(*given)
            seen.append(store.find(CELL) is not None)
            return done

        return looking

    monkeypatch.setattr(os, "rename", look(rename))
    monkeypatch.setattr(module, "exchange", look(exchange))
    put(store, CELL)
    assert len(seen) >= 3
    assert all(seen)


class Killed(BaseException):
    """A stand-in for a kill, after which nothing is cleaned up."""


def kill_at(monkeypatch, name, number):
    """Kill the process in the ``number``-th call of a function of ``os``."""
    function, calls = getattr(os, name), []

    def dying(*given, **options):
        calls.append(given)
        if len(calls) == number:
            raise Killed
        return function(*given, **options)

    monkeypatch.setattr(os, name, dying)
    monkeypatch.setattr(module.Claim, "release", lambda claim, keep=False: None)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_kill_while_a_result_is_replaced_is_mended_by_the_next_run(store, way, number):
    put(store, CELL, scores={"mig": 0.1})
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, "rename", number)
        try:
            put(store, CELL, scores={"mig": 0.2})
            was_killed = False
        except Killed:
            was_killed = True
    assert was_killed or number > 4
    written = len(list(store.root.rglob("record.json")))
    abandon(store)
    sweep(store)
    assert leftovers(store) == []
    assert store.find(CELL)["scores"] == {"mig": 0.2 if written == 2 else 0.1}
    assert len(list((store.root / "superseded").glob("*"))) == written - 1


@pytest.mark.parametrize("where", ["sync_files", "exchange", "sync_folder"])
def test_a_stop_while_a_result_is_moved_into_place_loses_nothing(where, store, monkeypatch):
    put(store, CELL, scores={"mig": 0.1})
    function = getattr(module, where)

    def stop(*given):
        if where == "exchange":
            function(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, where, stop)
        with pytest.raises(KeyboardInterrupt):
            put(store, CELL, scores={"mig": 0.2})
    sweep(store)
    assert store.find(CELL)["scores"] == {"mig": 0.2}
    [old] = (store.root / "superseded").iterdir()
    assert json.loads((old / "record.json").read_text())["scores"] == {"mig": 0.1}
    assert leftovers(store) == []


@pytest.mark.parametrize("has_codes", [True, False])
def test_the_checkpoint_of_a_finished_cell_stays_if_it_has_no_codes_to_score(has_codes, store):
    with store.new_folder(CELL) as folder:
        if has_codes:
            write_codes(folder, np.zeros((3, CELL.latent_size)), np.zeros((3, 1)))
        write_record(folder, record_of(CELL))
    with store.claim(CELL) as claim:
        (claim.folder / "checkpoint.pt").write_text("x")
        os.utime(claim.folder / "checkpoint.pt", (1, 1))  # as a copied folder has it
    for _ in range(2):
        sweep(store)
    assert (store.unfinished / CELL.folder / "checkpoint.pt").exists() is not has_codes


def test_without_its_first_record_a_cell_is_not_finished(store):
    claim = store.claim(CELL)
    for _ in range(2):
        write_record(claim.folder, record_of(CELL))
    (claim.folder / "record.json").unlink()
    abandon(store)
    sweep(store)
    assert store.find(CELL) is None
    assert leftovers(store) == []


def test_a_folder_that_cannot_be_moved_into_place_is_moved_by_the_next_run(store, monkeypatch):
    rename = os.rename

    def refuse(old, new):
        if "cells" in str(new):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(NotPlaced, match="the next run moves it"):
            put(store, CELL)
    assert store.find(CELL) is None
    sweep(store)
    assert store.find(CELL)["status"] == "done"
    assert leftovers(store) == []


def test_a_failure_replaces_no_finished_result(store):
    put(store, CELL)
    put(store, CELL, status="failed", failure={"reason": "disk full"})
    assert store.find(CELL)["status"] == "done"
    [kept] = (store.root / "superseded").iterdir()
    assert json.loads((kept / "record.json").read_text())["status"] == "failed"
    other = with_beta(5.0)
    put(store, other, status="failed", failure={"reason": "disk full"})
    put(store, other)
    assert store.find(other)["status"] == "done"


def test_half_a_cell_goes_and_a_checkpoint_stays(store):
    for cell, name in ((CELL, "half.csv"), (with_beta(5.0), "checkpoint.pt")):
        (store.claim(cell).folder / name).write_text("x")
    abandon(store)
    sweep(store)
    assert [str(one.relative_to(store.unfinished)) for one in leftovers(store)] == [
        with_beta(5.0).folder,
        f"{with_beta(5.0).folder}/checkpoint.pt",
    ]
    with store.new_folder(with_beta(5.0)) as folder:
        assert (folder / "checkpoint.pt").read_text() == "x"
        write_record(folder, record_of(with_beta(5.0)))


def test_what_a_live_run_is_at_work_on_is_not_swept(store):
    claim = store.claim(CELL)
    write_record(claim.folder, record_of(CELL))
    sweep(store)
    assert (claim.folder / "record.json").exists()
    assert store.find(CELL) is None
    claim.release()


def test_a_record_of_another_cell_is_not_moved_into_place(store):
    claim = store.claim(CELL)
    write_record(claim.folder, record_of(with_beta(9.0)))
    abandon(store)
    sweep(store)
    assert store.find(CELL) is None
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("name", "days", "stays"),
    [
        ("cells/.0a1b2c3d.dsprites-seed0-1a2b3c4d5e6f.abcd/weights.pt", 2, False),  # of earlier versions
        ("cells/.0a1b2c3d.dsprites-seed0-1a2b3c4d5e6f.abcd/weights.pt", 0, True),
        (f"cells/{CELL.folder}/.record.a8d_q2", 2, False),
        (f"cells/{CELL.folder}/.record.2.json", 2, False),
        (f"cells/{CELL.folder}/.record.2.json", 0, True),
        (f"unfinished/.try.{DEAD}.xxx/one", 0, False),
        (f"unfinished/.clock.{DEAD}", 0, False),
        (f"unfinished/.beat.{DEAD.rpartition('-')[0]}", 0, False),
        (f"anchors/.abc.json.{DEAD}", 0, False),
        ("unfinished/mine/notes.txt", 2, True),
        ("unfinished/.hidden", 2, True),
        ("notes.txt", 2, True),
    ],
)
def test_leftovers_are_swept_and_nothing_else(store, name, days, stays):
    put(store, CELL)
    path = store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))
    if path.parent.parent == store.cells and path.parent.name.startswith("."):
        os.utime(path.parent, (then, then))
    sweep(store)
    assert path.exists() == stays
    assert store.find(CELL) is not None


def test_records_are_numbered_without_replacing_any(store):
    put(store, CELL)
    folder = store.folder(CELL)
    (folder / ".record.2.json").write_text("half")  # of a writer that is still running, or was killed
    write_record(folder, record_of(CELL, scores={"mig": 0.5}))
    assert (folder / ".record.2.json").read_text() == "half"
    assert not (folder / "record.2.json").exists()
    assert store.find(CELL)["scores"] == {"mig": 0.5}


def test_many_writers_of_further_records_lose_none(store):
    put(store, CELL)
    folder = store.folder(CELL)
    threads = [
        threading.Thread(
            target=lambda n=n: [write_record(folder, record_of(CELL, scores={"mig": n})) for _ in range(20)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scores = [json.loads(path.read_text())["scores"]["mig"] for path in folder.glob("record.*.json")]
    assert sorted(scores) == sorted([n for n in range(4) for _ in range(20)])


def test_no_link_is_needed(store, monkeypatch):
    def refuse(*given, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    store.check_writable()
    put(store, CELL)
    write_record(store.folder(CELL), record_of(CELL, scores={"mig": 0.5}))
    assert store.find(CELL)["scores"] == {"mig": 0.5}


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_without_flushing_is_good_enough(store, monkeypatch, code):
    def refuse(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    store.check_writable()
    put(store, CELL)
    assert store.find(CELL) is not None


def test_a_disk_that_fails_while_it_flushes_is_told(store, monkeypatch):
    def fail(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left on device"):
        store.check_writable()


def test_all_is_flushed_before_the_record_and_the_record_before_the_cell_is_there(store, monkeypatch):
    flushed = []
    names = {}

    def name_of(handle):
        return os.readlink(f"/proc/self/fd/{handle}")

    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(name_of(handle)) or fsync(handle))

    def renaming(old, new):
        names[str(new)] = [Path(one).name for one in flushed]
        rename(old, new)

    monkeypatch.setattr(os, "rename", renaming)
    with store.new_folder(CELL) as folder:
        (folder / "weights.safetensors").write_text("weights")
        write_record(folder, record_of(CELL))
    assert {"weights.safetensors", "record.json", folder.name} <= set(names[str(store.folder(CELL))])
    assert Path(flushed[-1]).name == "unfinished"
    assert Path(flushed[-2]).name == "cells"


def test_nan_is_no_number_for_a_record(store):
    with pytest.raises(ValueError, match="Out of range float"):
        put(store, CELL, scores={"mig": float("nan")})
    assert store.find(CELL) is None


def test_table_is_tidy_and_numbers_sort_as_numbers(store):
    for beta in (10.0, 4.0, 1.0):
        for seed in (1, 0):
            put(store, with_beta(beta, seed))
    table = read_results(store.root)
    assert table["beta"].tolist() == [1, 1, 4, 4, 10, 10]
    assert table["seed"].tolist() == [0, 1, 0, 1, 0, 1]
    assert table["beta"].dtype == float
    assert table.loc[0, ["kl_0", "kl_1", "mig", "reconstruction"]].tolist() == [9.0, 1.0, 0.1, 20.0]
    assert "kl_per_latent" not in table


def test_models_without_a_hyperparameter_have_an_empty_cell(store):
    put(store, with_beta(4.0))
    put(store, dataclasses.replace(CELL, model="vae", hyperparameters={}))
    table = read_results(store.root).set_index("model")
    assert table.loc["betavae", "beta"] == 4.0
    assert table["beta"].isna()["vae"]


def test_failed_cells_say_why(store):
    reason = "the loss is not finite at step 3: loss = nan"
    put(store, CELL, status="failed", failure={"reason": reason}, evaluation={}, scores={}, timing={})
    assert read_results(store.root)["failure"].tolist() == [reason]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": 2}', "\0" * 100, "[" * 100_000])
def test_a_corrupt_record_is_named_and_skipped(store, content):
    put(store, CELL)
    put(store, with_beta(7.0))
    path = store.folder(CELL) / "record.json"
    path.write_text(content)
    records, [problem] = read_records(store.root)
    assert [r["cell"]["hyperparameters"]["beta"] for r in records] == [7.0]
    assert str(path) in problem
    with pytest.warns(UserWarning, match="cannot be read"):
        assert len(read_results(store.root)) == 1


def test_a_corrupt_newer_record_leaves_the_older_one(store):
    put(store, CELL)
    (store.folder(CELL) / "record.2.json").write_text("{")
    assert store.find(CELL)["status"] == "done"


@pytest.mark.parametrize("number", [2, 3, 10, 999])
def test_numbers_may_be_missing_between_records(store, number):
    put(store, CELL)
    write_record(store.folder(CELL), record_of(CELL, scores={"mig": 0.2}))
    (store.folder(CELL) / "record.2.json").rename(store.folder(CELL) / f"record.{number}.json")
    assert store.find(CELL)["scores"] == {"mig": 0.2}


ODD_NAMES = [
    "record.².json",
    "record.²json",
    "record.٣.json",
    "record.1.json",
    "record.02.json",
    "record-2.json",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_is_not_named_like_a_record_is_named_and_none(store, name):
    put(store, CELL)
    folder = store.folder(CELL)
    write_record(folder, record_of(CELL, scores={"mig": 0.2}))
    (folder / "record.2.json").rename(folder / name)
    [record], [problem] = read_records(store.root)
    assert record["scores"] == {"mig": 0.1}
    assert f"{folder / name} cannot be read (records do not have such names)" in problem
    (folder / "record.json").unlink()
    assert store.find(CELL) is None


def test_a_corrupt_newer_record_is_named_though_an_older_one_counts(store):
    put(store, CELL)
    (store.folder(CELL) / "record.2.json").write_text("{")
    [record], [problem] = read_records(store.root)
    assert record["scores"] == {"mig": 0.1}
    assert "record.2.json cannot be read (" in problem
    assert problem.endswith("an older record of its cell is used instead.")


def test_a_copied_folder_counts_once_and_both_are_named(store):
    put(store, CELL)
    folder = store.folder(CELL)
    copy = folder.with_name(f"copy of {folder.name}")
    shutil.copytree(folder, copy)
    [record], [problem] = read_records(store.root)
    assert record["folder"] == str(folder)
    assert problem == f"{copy} and {folder} hold the same cell; only the second counts."
    assert len(read_records(store.root, store.root.parent / store.root.name / ".")[1]) == 1  # given twice
    shutil.copytree(folder, folder.with_name(f"{folder.name} (copy)"))
    assert len(read_records(store.root)[0]) == 1
    assert len(read_records(store.root)[1]) == 2


def test_a_record_in_the_folder_of_another_cell_is_neithers(store):
    put(store, CELL)
    put(store, with_beta(7.0))
    shutil.copy(store.folder(CELL) / "record.json", store.folder(with_beta(7.0)) / "record.json")
    assert store.find(with_beta(7.0)) is None
    records, [problem] = read_records(store.root)
    assert [record["hash"] for record in records] == [CELL.hash]
    assert str(store.folder(with_beta(7.0)) / "record.json") in problem


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir(), lambda root: foreign(root)])
def test_empty_and_foreign_folders_are_refused(store, make):
    make(store.root)
    with pytest.raises(InputError, match="dis-bench run"):
        read_results(store.root)


def foreign(root):
    root.mkdir()
    (root / "holiday.jpg").write_bytes(b"")


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Store(tmp_path / "out").check_writable()
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "out" / "below").check_writable()


def test_tabulate_takes_any_plain_records():
    assert tabulate([{**record_of(CELL), "folder": "x"}]).loc[0, "hash"] == CELL.hash


def test_nothing_of_a_user_s_is_swept_from_among_the_cells(store):
    put(store, CELL)
    for name in (".git", ".notes", ".0a1b2c3d.mine"):
        (store.cells / name).mkdir()
        (store.cells / name / "thesis.txt").write_text("x")
        os.utime(store.cells / name, (1, 1))
    sweep(store)
    assert len(list(store.cells.glob(".*/thesis.txt"))) == 3


@pytest.mark.parametrize("name", [CELL.folder, f"owner.{DEAD}.{CELL.folder}"])
def test_what_a_link_points_to_is_neither_emptied_nor_filled(name, store, tmp_path):
    store.unfinished.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("x")
    (store.unfinished / name).symlink_to(precious)
    sweep(store)
    if name == CELL.folder:
        with pytest.raises(NotADirectoryError, match="no cell is trained through"):
            store.claim(CELL)
    else:
        store.claim(CELL).release()
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
    assert (store.unfinished / name).is_symlink()


@pytest.mark.parametrize(
    "name", ["../../precious.txt", "/etc/passwd", "notes.txt", "record.json", "codes.x.npz"]
)
def test_a_record_names_no_files_but_those_of_a_cell(name, store):
    put(store, CELL)
    write_record(store.folder(CELL), record_of(CELL, files={name: "0" * 64}))
    problems = []
    assert store.find(CELL, problems)["files"] == {}
    assert "which this version does not know" in problems[0]


def test_a_finished_copy_counts_before_a_failed_one_and_more_scores_before_fewer(tmp_path):
    failed, few, many = (Store(tmp_path / name) for name in ("a", "bb", "ccc"))
    put(failed, CELL, status="failed", failure={"reason": "nan"}, scores={}, protocol={})
    put(few, CELL)
    put(many, CELL, scores={"mig": 0.1, "sap": 0.2}, protocol={"mig": {}, "sap": {}})
    for stores, best in (([failed, few], few), ([failed, few, many], many)):
        shutil.rmtree(tmp_path / "all", ignore_errors=True)
        for one in stores:
            shutil.copytree(one.folder(CELL), tmp_path / "all" / "cells" / f"{one.root.name} {CELL.folder}")
        [record], _ = read_records(tmp_path / "all")
        assert record["scores"] == best.find(CELL)["scores"]


def test_of_two_finished_copies_the_one_written_later_stays_whatever_the_times_of_files(store):
    put(store, CELL, created="2026-11-20T09:30:00+00:00")
    claim = store.claim(CELL)
    write_record(claim.folder, record_of(CELL, created="2026-11-21T09:30:00+00:00"))
    os.utime(claim.folder / "record.json", (1, 1))  # as a copied folder has them
    abandon(store)
    sweep(store)
    assert store.find(CELL)["created"].startswith("2026-11-21")


def test_sweeping_removes_the_temporary_files_of_ended_processes(tmp_path):
    store = Store(tmp_path)
    for folder in ("plans", "anchors"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f".x.json.{DEAD}").write_text("{")
    sweep(store)
    assert not [*tmp_path.rglob(".x.json.*")]
