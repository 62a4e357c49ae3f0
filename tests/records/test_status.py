"""The state of a result folder names what is done, failed, at work, stopped and left."""

import contextlib
import dataclasses
import json
import os
import time
from datetime import datetime

import pytest

from dis_bench.cli.main import main
from dis_bench.cli.status import describe_status
from dis_bench.errors import InputError
from dis_bench.records.checkpoint import write_checkpoint
from dis_bench.records.plans import read_plans, write_plan
from dis_bench.records.record import write_record
from dis_bench.records.schema import PENDING
from dis_bench.records.status import Status, read_status
from dis_bench.records.store import Store
from tests.records.test_cell import CELL
from tests.records.test_store import put, record_of
from tests.runners.abandoned import abandon

CELLS = [dataclasses.replace(CELL, seed=seed, steps=1000) for seed in range(6)]
TOOK = {"train_seconds": 90.0, "score_seconds": 10.0}


def contents(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.fixture
def store(tmp_path):
    """Return a folder with two finished cells, a failed one, one at work, a stopped one and one left."""
    store = Store(tmp_path / "results")
    write_plan(store.root, CELLS, "dis-bench run --seeds 6")
    for cell in CELLS[:2]:
        put(store, cell, timing=TOOK)
    put(store, CELLS[2], status="failed", failure={"reason": "the loss is not finite at step 7"})
    stopped = store.claim(CELLS[3])
    (stopped.folder / "checkpoint.pt").write_bytes(b"")
    stopped.release()
    return store


def test_every_cell_is_in_one_state(store):
    with store.claim(CELLS[4]) as claim:
        (claim.folder / "training.csv").write_text("step,loss\n100,9\n250,8\n")
        then = time.time() - 60
        os.utime(claim.folder / "claimed", (then, then))
        before = contents(store.root)
        status = read_status(store.root)
        assert contents(store.root) == before
    assert status.done == [cell.folder for cell in CELLS[:2]]
    assert status.failed == {CELLS[2].folder: "the loss is not finite at step 7"}
    assert status.stopped == [CELLS[3].folder]
    assert status.left == [CELLS[5].folder]
    [running] = status.running
    assert running.name == CELLS[4].folder
    assert f"process {os.getpid()}" in running.owner
    assert (running.step, running.steps) == (250, 1000)
    assert running.seconds == pytest.approx(60, abs=5)
    # One worker has three quarters of its cell, and three more, before it.
    assert status.seconds == pytest.approx(75 + 300, abs=5)


def test_the_lines_say_who_is_at_work_since_when_and_how_long_it_will_take(store):
    with store.claim(CELLS[4]) as claim:
        (claim.folder / "training.csv").write_text("step,loss\n250,8\n")
        lines = [*describe_status(read_status(store.root), everything=False, now=datetime.now())]
    assert lines[0] == "6 cells: 2 done, 1 failed, 1 running, 1 stopped with a checkpoint, 1 left."
    text = "\n".join(lines)
    assert f"{CELLS[4].folder}: step 250 of 1,000, by process {os.getpid()} on " in text
    assert f", since {datetime.now():%H:}" in text
    assert f"{CELLS[2].folder}: the loss is not finite at step 7" in text
    assert "time to go: about 6 min, with 1 at a time as now." in text
    assert CELLS[5].folder not in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(20_000, "5.6 h"), (36_000, "10 h"), (1_317_000, "366 h"), (4_000_000, "1,111 h")]
)
def test_many_hours_are_whole_and_one_cell_is_one(seconds, words):
    status = Status(planned=["a"], left=["a"], seconds=seconds)
    lines = [*describe_status(status, everything=False, now=datetime.now())]
    assert lines[0] == "1 cell: 0 done, 1 left."
    assert f"time to go: about {words} of one worker" in lines[-1]


def begin(claim, step, seconds):
    """Let a claimed cell be at a step, some seconds after it was claimed."""
    (claim.folder / "training.csv").write_text(f"step,loss\n{step},8\n")
    then = time.time() - seconds
    os.utime(claim.folder / "claimed", (then, then))


def test_the_time_of_a_stack_is_that_of_all_its_cells(tmp_path):
    store = Store(tmp_path)
    cells = [dataclasses.replace(CELL, seed=seed, steps=1000) for seed in range(13)]
    write_plan(store.root, cells, "dis-bench run")
    put(store, cells[0], timing={"train_seconds": 36.0}, environment={"stack": {"cells": 4}})
    claims = [store.claim(cell) for cell in cells[1:5]]
    for claim in claims:
        begin(claim, 500, 72)
    # Half of a stack of 144 seconds, and two more of them.
    assert read_status(store.root).seconds == pytest.approx(72 + 2 * 144, abs=5)
    for claim in claims:
        claim.release()
    # Nothing runs: twelve shares of 36 seconds.
    assert read_status(store.root).seconds == pytest.approx(12 * 36)


@pytest.mark.parametrize("count", [1, 2])
def test_the_steps_before_a_cell_was_resumed_took_time_too(count, tmp_path):
    store = Store(tmp_path)
    write_plan(store.root, CELLS[:count], "dis-bench run")
    claims = [store.claim(cell) for cell in CELLS[:count]]
    for cell, claim in zip(CELLS, claims, strict=False):
        write_checkpoint(claim.folder, cell.hash, {"step": 500, "seconds": 600.0 / count})  # its share
        begin(claim, 500, 60)
    assert read_status(store.root).seconds == pytest.approx(600, abs=5)
    for claim in claims:
        claim.release()


def test_a_cell_that_is_trained_or_scored_again_counts_once(store):
    with store.claim(CELLS[2]), store.claim(CELLS[0]) as scoring:
        status = read_status(store.root)
        lines = [*describe_status(status, everything=False, now=datetime.now())]
        assert lines[0] == "6 cells: 1 done, 2 running, 1 stopped with a checkpoint, 2 left."
        assert f"  {CELLS[0].folder}: scoring, by process {os.getpid()}" in "\n".join(lines)
        # A cell to train anew, one to go on with and two more, of 100 seconds each; the scoring takes none.
        assert status.seconds == pytest.approx(400 / 2)
        begin(scoring, 500, 60)  # with --rerun always
        assert read_status(store.root).seconds == pytest.approx(450 / 2)
    assert read_status(store.root).done == [cell.folder for cell in CELLS[:2]]


def test_a_cell_that_lacks_its_first_scores_is_not_done(store):
    put(store, CELLS[4], scores={}, unscored={"mig": PENDING}, timing={"train_seconds": 90.0})
    status = read_status(store.root)
    assert status.unscored == [CELLS[4].folder]
    assert status.done == [cell.folder for cell in CELLS[:2]]
    assert status.seconds == pytest.approx(10 + 3 * (2 * 100 + 90) / 3)
    lines = [*describe_status(status, everything=False, now=datetime.now())]
    assert lines[0] == "6 cells: 2 done, 1 failed, 1 stopped with a checkpoint, 1 to score, 1 left."
    assert lines[lines.index("to score:") + 1] == f"  {CELLS[4].folder}"
    with store.claim(CELLS[4]):
        status = read_status(store.root)
    assert status.unscored == []
    assert status.running[0].scoring


@pytest.mark.parametrize(
    ("state", "where"), [("pending", "unscored"), ("done", "done"), ("failed", "failed")]
)
def test_a_cell_that_a_killed_run_finished_counts_before_it_is_in_place(state, where, store):
    changes = {
        "pending": {"scores": {}, "unscored": {"mig": PENDING}},
        "done": {},
        "failed": {"status": "failed", "failure": {"reason": "x"}},
    }
    with store.claim(CELLS[4]) as claim:
        write_record(claim.folder, record_of(CELLS[4], **changes[state]))
        assert [one.name for one in read_status(store.root).running] == [CELLS[4].folder]
        claim.release(keep=True)
    status = read_status(store.root)
    assert CELLS[4].folder in getattr(status, where)
    assert status.left == [CELLS[5].folder]


@pytest.mark.parametrize("asked", [False, True])
def test_cells_that_another_machine_did_in_its_own_precision_are_not_left(asked, tmp_path):
    store = Store(tmp_path)
    there = [dataclasses.replace(cell, precision="bf16") for cell in CELLS]
    chosen = [] if asked else ["precision"]
    for cells in (CELLS, there):
        write_plan(store.root, cells, "dis-bench run", chosen)
    for cell in (*CELLS[:2], *there[2:5]):
        put(store, cell, timing=TOOK)
    status = read_status(store.root)
    assert len(status.done) == 5
    seeds = [2, 3, 4, 5, 0, 1, 5] if asked else [5]
    names = [CELLS[seed].folder.rpartition("-")[0] for seed in seeds]
    assert sorted(name.rpartition("-")[0] for name in status.left) == sorted(names)
    lines = [*describe_status(status, everything=False, now=datetime.now())]
    assert lines[0] == ("12 cells: 5 done, 7 left." if asked else "6 cells: 5 done, 1 left.")


def test_the_claims_of_dead_processes_are_no_work(store):
    store.claim(CELLS[4])
    abandon(store)
    status = read_status(store.root)
    assert status.running == []
    assert status.left == [cell.folder for cell in CELLS[4:]]
    assert status.seconds == pytest.approx(400)


def test_the_time_is_unknown_before_anything_was_measured(tmp_path):
    write_plan(tmp_path, CELLS, "dis-bench run")
    status = read_status(tmp_path)
    assert status.seconds is None
    assert "unknown" in [*describe_status(status, everything=True, now=datetime.now())][-1]
    other = dataclasses.replace(CELL, model="vae", steps=500)
    put(Store(tmp_path), other, timing=TOOK)  # by the steps of another model
    assert read_status(tmp_path).seconds == pytest.approx(6 * 200)


@pytest.mark.parametrize("planned", [True, False])
def test_the_time_of_cells_that_have_just_begun_is_unknown(planned, tmp_path):
    store = Store(tmp_path)
    write_plan(store.root, CELLS[: 2 if planned else 1], "dis-bench run")
    if not planned:
        put(store, CELLS[0], timing={"seconds": 1.0})
    with store.claim(CELLS[1]), store.claim(CELLS[0]) if planned else contextlib.nullcontext():
        status = read_status(store.root)
    assert len(status.running) == 1 + planned
    assert status.seconds is None


@pytest.mark.parametrize(("step", "seconds"), [(100, 3690 * 0.9), (500, 3600), (1000, 3600)])
def test_a_cell_that_is_trained_has_still_to_be_scored(step, seconds, tmp_path):
    store = Store(tmp_path)
    write_plan(store.root, CELLS[:2], "dis-bench run")
    put(store, CELLS[0], timing={"train_seconds": 90.0, "score_seconds": 3600.0})
    with store.claim(CELLS[1]) as claim:
        begin(claim, step, 60)
        assert read_status(store.root).seconds == pytest.approx(max(seconds, 3600))


def test_a_plan_is_written_once_and_read_or_named(tmp_path):
    for _ in range(2):
        write_plan(tmp_path, CELLS, "dis-bench run")
    write_plan(tmp_path, [], "dis-bench run")
    [path] = (tmp_path / "plans").iterdir()
    [plan] = read_plans(tmp_path)[0]
    assert [cell["folder"] for cell in plan["cells"]] == [cell.folder for cell in CELLS]
    for damage in ({**plan, "command": "other"}, {**plan, "cells": 3}, {**plan, "cells": [3]}, [], "x"):
        path.write_text(json.dumps(damage))
        plans, [problem] = read_plans(tmp_path)
        assert plans == []
        assert str(path) in problem
        write_plan(tmp_path, CELLS, "dis-bench run")
        assert read_plans(tmp_path) == (
            [{**plan, **{key: read_plans(tmp_path)[0][0][key] for key in plan}}],
            [],
        )


def test_other_folders_are_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="there is no folder"):
        read_status(tmp_path / "none")
    with pytest.raises(InputError, match="no study was started in"):
        read_status(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, not a result folder"):
        read_status(tmp_path / "file")
    assert main(["status", str(tmp_path / "none")]) == 2


def test_the_command(store, capsys):
    assert main(["status", str(store.root), "--all"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("6 cells: 2 done, 1 failed, 1 stopped with a checkpoint, 2 left.")
    assert CELLS[5].folder in out
    assert "about 7 min of one worker; nothing runs now" in out
