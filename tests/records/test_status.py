"""The state of a result folder names what is done, failed, at work, stopped and left."""

import dataclasses
import json
import os
import time
from datetime import datetime

import pytest

from dis_bench.cli.main import main
from dis_bench.cli.status import describe_status
from dis_bench.errors import InputError
from dis_bench.records.plans import read_plans, write_plan
from dis_bench.records.status import read_status
from dis_bench.records.store import Store
from tests.records.test_cell import CELL
from tests.records.test_store import put
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


def test_other_folders_are_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="there is no folder"):
        read_status(tmp_path / "none")
    with pytest.raises(InputError, match="no study was started in"):
        read_status(tmp_path)
    assert main(["status", str(tmp_path / "none")]) == 2


def test_the_command(store, capsys):
    assert main(["status", str(store.root), "--all"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("6 cells: 2 done, 1 failed, 1 stopped with a checkpoint, 2 left.")
    assert CELLS[5].folder in out
    assert "about 7 min of one worker; nothing runs now" in out
