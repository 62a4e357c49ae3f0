"""An error fails only its own cell, is reported in a sentence, and loses no finished work."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.records import claims, store
from dis_bench.records.checkpoint import NAME as CHECKPOINT
from dis_bench.records.checkpoint import read_checkpoint
from dis_bench.records.claims import Claim
from dis_bench.records.record import read_newest
from dis_bench.records.store import Store, StoreLost
from dis_bench.records.sweep import sweep
from dis_bench.records.table import read_results
from dis_bench.runners import job, space, stages
from dis_bench.runners import run as running
from dis_bench.runners.run import run_study
from dis_bench.runners.training import log
from dis_bench.runners.training.checkpoints import Checkpoints
from dis_bench.runners.training.steps import Training
from dis_bench.runners.watch import Watcher
from tests.runners.abandoned import abandon, leftovers
from tests.runners.test_run import HERE, TINY

TWO = dataclasses.replace(TINY, seeds=1)  # beta 1 and beta 4


def run(study, out, **options):
    return run_study(study, out, workers=0, **options)


class Seen(Watcher):
    """A watcher that collects the cells that were trained, and acts at a chosen event."""

    def __init__(self, when=None, do=None):
        self.trained, self.when, self.do = [], when, do

    def watch(self, event):
        cell, what = event
        beta = cell.hyperparameters["beta"]
        if getattr(what, "step", None) == 1:
            self.trained.append(beta)
        if self.when is not None and beta == 1 and self.when in (what, getattr(what, "step", None)):
            self.when = None
            self.do()


def failing(function, code, once=False):
    """Return a stand-in for a function that fails for the cell with beta 1."""
    left = [1 if once else 10**9]

    def fail(*given, **options):
        if any("beta1-" in str(one) for one in given) and left[0]:
            left[0] -= 1
            raise OSError(code, os.strerror(code), str(given[0]))
        return function(*given, **options)

    return fail


STAGES = {
    "the log": (log.TrainingLog, "__init__", errno.ENOSPC),
    "weights": (Path, "write_bytes", errno.ENOSPC),
    "codes": (stages, "write_codes", errno.EDQUOT),
    "pictures": (stages, "write_pictures", errno.EFBIG),
    "flushing": (job, "sync_files", errno.EIO),
    "every record": (job, "write_record", errno.ENOSPC),
    "moving": (store.Store, "_move", errno.EACCES),
    "claiming": (claims, "_take", errno.ENOSPC),
}


@pytest.mark.parametrize("stage", STAGES)
def test_what_cannot_be_written_is_that_cell_s_failure(stage, tmp_path, monkeypatch):
    owner, name, code = STAGES[stage]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(getattr(owner, name), code))
        table = run(TWO, tmp_path).set_index("beta")
    assert table["status"].to_dict() == {1.0: "failed", 4.0: "done"}
    assert os.strerror(code) in table["failure"][1.0]
    assert "the same command continues" in table["failure"][1.0] or "the next run" in table["failure"][1.0]
    seen = Seen()
    assert run(TWO, tmp_path, watcher=seen)["status"].tolist() == ["done"] * 2
    assert seen.trained == ([] if stage == "moving" else [1.0])
    assert leftovers(Store(tmp_path)) == []


@pytest.mark.parametrize("stage", ["weights", "codes", "pictures"])
def test_a_failed_cell_keeps_its_record_and_its_log_and_nothing_large(stage, tmp_path, monkeypatch):
    owner, name, code = STAGES[stage]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name), code))
    table = run(TWO, tmp_path).set_index("beta")
    names = {path.name for path in Path(table["folder"][1.0]).iterdir()}
    assert names == {"record.json", "training.csv"}


def test_scores_that_cannot_be_written_cost_no_training(tmp_path, monkeypatch):
    write, calls = job.write_record, []

    def second_fails(folder, record, **options):
        calls.append(folder)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(folder, record, **options)

    with monkeypatch.context() as patch:
        patch.setattr(job, "write_record", second_fails)
        assert run(TWO, tmp_path).set_index("beta")["status"][1.0] == "failed"
    seen = Seen()
    assert run(TWO, tmp_path, watcher=seen)["mean_code"].notna().all()
    assert seen.trained == []


def test_a_run_that_can_write_nothing_more_stops_and_keeps_what_is_finished(tmp_path, monkeypatch):
    study = dataclasses.replace(TINY, betas=[4, 1, 8, 9], seeds=1)

    def make_read_only():
        def refuse(*given):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(store, "try_file_system", lambda *given: "it cannot write a file (Read-only)")
        for owner, name in ((claims, "_take"), (job, "write_record"), (os, "rename")):
            monkeypatch.setattr(owner, name, refuse)

    seen = Seen("encoding", make_read_only)
    with pytest.raises(StoreLost, match=r"cannot be written: .*; the finished cells are kept"):
        run(study, tmp_path, watcher=seen)
    assert seen.trained == [4.0, 1.0]
    assert read_results(tmp_path)["beta"].tolist() == [4.0]


def test_a_disk_that_is_full_stops_the_run_before_the_next_training(tmp_path, monkeypatch):
    free = iter([10**12] * 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(next(free, 1000)))
    study = dataclasses.replace(TINY, betas=[1, 4, 8, 9], seeds=1)
    seen = Seen()
    with pytest.raises(StoreLost, match="is full; the finished cells are kept"):
        run(study, tmp_path, watcher=seen)
    assert len(read_results(tmp_path)) == len(seen.trained) + 1
    assert 1 <= len(seen.trained) < 3


def test_a_checkpoint_that_leaves_no_space_for_its_cell_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: Usage(10**4 if [*tmp_path.rglob(CHECKPOINT)] else 10**12)
    )
    with pytest.warns(UserWarning, match="no checkpoint could be written: .* leaves no space"):
        table = run(dataclasses.replace(TINY, betas=[1], seeds=1), tmp_path, checkpoint_minutes=1e-9)
    assert table["status"].tolist() == ["done"]


class Usage:
    """The relevant part of the result of shutil.disk_usage."""

    def __init__(self, free):
        self.free = free


def test_a_study_that_cannot_fit_is_told_before_it_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(3 * 10**6))
    with pytest.warns(
        UserWarning, match="has 3.0 MB of free space, but the 4 cells to train need at least .* MB"
    ):
        assert len(run(dataclasses.replace(TINY, betas=[1, 4]), tmp_path / "warned")) == 4
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**5))
    with pytest.raises(InputError, match=r"no space for a single cell .* 0\.1 MB are free"):
        run(TWO, tmp_path / "refused")


def test_what_a_cell_takes_is_not_overestimated(tmp_path):
    [folder] = map(Path, run(dataclasses.replace(TWO, betas=[1]), tmp_path)["folder"])
    size = sum(path.stat().st_size for path in folder.iterdir())
    plan = TWO.plan()
    ready = running.build_pipeline(plan, Store(tmp_path), "").prepare(plan.cells[0])
    assert 0.7 * size < space.measure_cell(ready) <= size


def test_a_folder_that_is_removed_while_it_runs_is_made_again_or_told(tmp_path):
    out = tmp_path / "results"
    seen = Seen(2, lambda: shutil.rmtree(out))
    table = run(dataclasses.replace(TINY, betas=[4, 1], seeds=1), out, watcher=seen).set_index("beta")
    assert table["status"].to_dict() == {4.0: "failed", 1.0: "done"}
    assert "its folder was removed while the study ran" in table["failure"][4.0]
    assert seen.trained == [4.0, 1.0, 1.0]
    assert leftovers(Store(out)) == []


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "flipped": lambda content: content[:200] + bytes(byte ^ 255 for byte in content[200:400]) + content[400:],
    "another zip": lambda content: b"PK\x05\x06" + bytes(18),
    "text": lambda content: b"codes",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_codes_cost_no_other_cell_its_scores(damage, tmp_path):
    table = run(dataclasses.replace(TWO, metrics=()), tmp_path)
    codes = Path(table["folder"][0]) / "codes.npz"
    codes.write_bytes(DAMAGES[damage](codes.read_bytes()))
    table = run(TWO, tmp_path)
    assert table["mean_code"].notna().tolist() == [False, True]
    assert table["status"].tolist() == ["done"] * 2


def test_codes_of_other_shapes_cost_no_other_cell_its_scores(tmp_path):
    table = run(dataclasses.replace(TWO, metrics=()), tmp_path)
    codes = Path(table["folder"][0]) / "codes.npz"
    np.savez(codes, codes=np.zeros(3), factors=np.zeros((2, 2)), log_variances=np.zeros(1))
    assert run(TWO, tmp_path)["mean_code"].notna().tolist() == [False, True]


@pytest.mark.slow
def test_a_cell_that_kills_its_worker_fails_and_the_others_are_done(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Deadly"], betas=[6, 1, 2], seeds=1)
    table = run_study(study, tmp_path, workers=2).set_index("beta")
    assert table["status"].to_dict() == {1.0: "done", 2.0: "done", 6.0: "failed"}
    assert "killed 2 times (by SIGKILL)" in table["failure"][6.0]
    assert read_results(tmp_path).set_index("beta")["status"][6.0] == "failed"
    assert leftovers(Store(tmp_path)) == []


@pytest.mark.slow
def test_a_metric_that_kills_its_worker_costs_no_training(tmp_path):
    study = dataclasses.replace(TWO, betas=[1], metrics=[f"{HERE}:deadly"])
    table = run_study(study, tmp_path, workers=1)
    assert "while it was scored; its training is kept" in table["failure"][0]
    seen = Seen()
    assert run(TWO, tmp_path, watcher=seen)["mean_code"].notna().all()
    assert seen.trained == [4.0]


class Killed(BaseException):
    """A stand-in for a kill, after which nothing is cleaned up."""


def kill():
    raise Killed


@pytest.mark.parametrize(("when", "trained"), [(1, [1.0, 4.0]), (3, [1.0, 4.0]), ("encoding", [1.0, 4.0])])
def test_after_a_kill_the_next_run_trains_what_was_not_trained(when, trained, tmp_path, monkeypatch):
    seen = killed_at(when, tmp_path, monkeypatch)
    assert run(TWO, tmp_path, watcher=seen)["status"].tolist() == ["done"] * 2
    assert seen.trained == trained
    assert leftovers(Store(tmp_path)) == []


@pytest.mark.parametrize("rerun", ["missing", "never"])
def test_after_a_kill_while_scoring_the_next_run_trains_nothing_again(rerun, tmp_path, monkeypatch):
    seen = killed_at("scoring mean_code", tmp_path, monkeypatch)
    table = run(TWO, tmp_path, watcher=seen, rerun=rerun).set_index("beta")
    assert seen.trained == [4.0]
    assert table["mean_code"].notna().to_dict() == {1.0: rerun == "missing", 4.0: True}
    # Nothing reveals that there was a kill.
    assert [path.name for path in tmp_path.glob("cells/*/record*.json")] == ["record.json"] * 2
    assert leftovers(Store(tmp_path)) == []


@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_kill_around_the_record_of_a_cell_that_keeps_no_codes_costs_no_training(
    call, tmp_path, monkeypatch
):
    # The first call writes the record of a cell without scores, and a later one removes the codes.
    study = dataclasses.replace(TWO, betas=[1], keep=["weights"])
    calls = []

    def dying(function):
        def die(*given, **options):
            calls.append(given)
            if len(calls) == call:
                raise Killed
            return function(*given, **options)

        return die

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "release", lambda claim, keep=False: None)
        patch.setattr(running, "sweep_unfinished", lambda store: set())
        for name in ("write_record", "remove"):
            patch.setattr(job, name, dying(getattr(job, name)))
        with pytest.raises(Killed):
            run(study, tmp_path)
    abandon(Store(tmp_path))
    seen = Seen()
    table = run(study, tmp_path, watcher=seen)
    assert seen.trained == []
    assert table["mean_code"].notna().all()
    assert "codes.npz" not in read_newest(Path(table["folder"][0]), [])["files"]
    assert [*tmp_path.glob("cells/*/codes*")] == []
    assert leftovers(Store(tmp_path)) == []


def test_codes_that_a_kill_left_are_removed_by_the_next_run(tmp_path, monkeypatch):
    study = dataclasses.replace(TWO, betas=[1], keep=["weights"])
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, watcher=Seen("scoring mean_code", stop))
    unlink = Path.unlink

    def killed_at_codes(path, **options):
        if path.name == "codes.npz":
            kill()
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed_at_codes)
        with pytest.raises(Killed):
            run(study, tmp_path)
    assert len([*tmp_path.glob("cells/*/codes.npz")]) == 1
    mine = next(tmp_path.glob("cells/*")) / "notes.txt"
    mine.write_text("mine")
    seen = Seen()
    run(study, tmp_path, watcher=seen)
    assert seen.trained == []
    assert [*tmp_path.glob("cells/*/codes.npz")] == []
    assert mine.exists()


def stop():
    raise KeyboardInterrupt


def test_a_stop_while_scoring_costs_no_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(TWO, tmp_path, watcher=Seen("scoring mean_code", stop))
    seen = Seen()
    assert run(TWO, tmp_path, watcher=seen)["mean_code"].notna().all()
    assert 1.0 not in seen.trained
    assert leftovers(Store(tmp_path)) == []


def killed_at(when, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Claim, "release", lambda claim, keep=False: None)
        patch.setattr(running, "sweep_unfinished", lambda store: set())
        patch.setattr(Checkpoints, "write", lambda checkpoints, training, log: None)
        with pytest.raises(Killed):
            run(TWO, out, watcher=Seen(when, kill))
    abandon(Store(out))
    return Seen()


TOOK = ["folder", "train_seconds", "score_seconds", "images_per_second"]


class Steps(Watcher):
    """A watcher that collects the steps of the cell with beta 1, and stops at one of them."""

    def __init__(self, stop=None):
        self.seen, self.stop = [], stop

    def watch(self, event):
        cell, what = event
        if cell.hyperparameters["beta"] == 1 and not isinstance(what, str):
            self.seen.append(what.step)
            if what.step == self.stop:
                raise KeyboardInterrupt


def stop_at(step, out, study=TWO, **options):
    with pytest.raises(KeyboardInterrupt):
        run(study, out, watcher=Steps(step), **options)


def test_a_cell_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    stop_at(2, tmp_path / "stopped")
    steps = Steps()
    table = run(TWO, tmp_path / "stopped", watcher=steps)
    assert steps.seen == [3]
    whole = run(TWO, tmp_path / "whole")
    pd.testing.assert_frame_equal(table.drop(columns=TOOK), whole.drop(columns=TOOK))
    for name in ("training.csv", "weights.safetensors"):
        first, second = (Path(one["folder"][0], name).read_bytes() for one in (table, whole))
        assert first == second
    assert leftovers(Store(tmp_path / "stopped")) == []


def test_a_cell_that_goes_on_elsewhere_says_where_it_began(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(
            "dis_bench.runners.stages.describe_computer", lambda *_: {"kernels": "of another age"}
        )
        stop_at(2, tmp_path)
    table = run(TWO, tmp_path)
    earlier = [
        json.loads(Path(folder, "record.json").read_text("utf-8"))["environment"].get("earlier")
        for folder in table["folder"]
    ]
    assert earlier == [[{"until": 2, "kernels": "of another age"}], None]


def test_always_begins_anew(tmp_path):
    stop_at(2, tmp_path)
    steps = Steps()
    run(TWO, tmp_path, watcher=steps, rerun="always")
    assert steps.seen == [1, 2, 3]


def test_sweeps_leave_checkpoints_until_their_cells_are_done(tmp_path):
    stop_at(2, tmp_path)
    results = Store(tmp_path)
    for _ in range(2):
        sweep(results)
        assert [path.name for path in leftovers(results) if path.is_file()] == ["checkpoint.pt"]
    run(TWO, tmp_path)
    assert leftovers(results) == []
    stop_at(2, tmp_path, rerun="always")
    assert leftovers(results) == []  # the finished cell has codes to score, and 'always' begins anew
    steps = Steps()
    run(TWO, tmp_path, watcher=steps, rerun="always")
    assert steps.seen == [1, 2, 3]
    assert leftovers(results) == []


def test_a_finished_cell_that_is_trained_for_another_score_keeps_its_checkpoint(tmp_path):
    study = dataclasses.replace(TWO, keep=["weights"])
    run(study, tmp_path)
    more = dataclasses.replace(study, metrics=[*study.metrics, "mig"], settings={"mig.rows": 200})
    stop_at(2, tmp_path, study=more)
    for _ in range(2):
        sweep(Store(tmp_path))
    steps = Steps()
    assert run(more, tmp_path, watcher=steps)["mig"].notna().all()
    assert steps.seen == [3]
    assert leftovers(Store(tmp_path)) == []


def test_a_finished_cell_that_is_trained_for_another_score_keeps_the_scores_it_had(tmp_path):
    study = dataclasses.replace(TWO, keep=["weights"], score_at=[1])
    before = run(study, tmp_path).set_index("beta")
    more = dataclasses.replace(study, metrics=["mig"], settings={"mig.rows": 200})
    after = run(more, tmp_path).set_index("beta")
    assert after["mig"].notna().all()
    records = [read_newest(Path(folder), []) for folder in after["folder"]]
    kept = {name for one in records for name in one["scores"]} - {"mig"}
    assert kept
    assert all(before[name].equals(after[name]) for name in kept)
    assert all({*one["protocol"]} == {"mean_code", "mig"} for one in records)
    assert all({*one["scores_at"]["1"]["protocol"]} == {"mean_code", "mig"} for one in records)
    steps = Steps()
    both = dataclasses.replace(more, metrics=[*study.metrics, "mig"])
    run(both, tmp_path, watcher=steps)
    assert steps.seen == []


def test_a_training_to_other_numbers_says_that_earlier_scores_are_left_behind(tmp_path, monkeypatch):
    study = dataclasses.replace(TWO, keep=["weights"])
    run(study, tmp_path)
    evaluate_all = stages._evaluate_all

    def differ(trainee, tell):
        found = evaluate_all(trainee, tell)
        return found._replace(measures={**found.measures, "kl": found.measures["kl"] + 1e-9})

    monkeypatch.setattr(stages, "_evaluate_all", differ)
    with pytest.warns(UserWarning, match="not to the same numbers: its earlier scores .* in superseded/"):
        run(dataclasses.replace(study, metrics=["mig"], settings={"mig.rows": 200}), tmp_path)


@pytest.mark.parametrize("damage", ["a bit", "a pipe"])
def test_a_damaged_checkpoint_begins_the_training_anew_and_says_so(damage, tmp_path):
    whole = run(TWO, tmp_path / "whole").set_index("beta")
    stop_at(2, tmp_path / "cut")
    [path] = (tmp_path / "cut").rglob("checkpoint.pt")
    if damage == "a bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    else:
        path.unlink()
        os.mkfifo(path)
    with pytest.warns(UserWarning, match="is damaged or of another version, so its training begins anew"):
        again = run(TWO, tmp_path / "cut").set_index("beta")
    assert again["reconstruction"].tolist() == whole["reconstruction"].tolist()


def test_a_cell_that_was_stopped_in_a_stack_goes_on(tmp_path):
    study = dataclasses.replace(TWO, steps=200, batch_size=2, kernels="torch")
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, watcher=Steps(100), stack=True)
    steps = Steps()
    assert run(study, tmp_path, watcher=steps)["status"].tolist() == ["done"] * 2
    assert steps.seen == list(range(101, 201))


def test_codes_that_one_cell_of_a_stack_lacks_cost_the_others_no_step(tmp_path):
    study = dataclasses.replace(TWO, steps=200, batch_size=2, kernels="torch", score_at=[50])
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, watcher=Steps(100), stack=True)
    [codes] = (tmp_path / "unfinished").glob("*beta4-*/checkpoint-codes.50.npz")
    codes.unlink()
    steps = Steps()
    with pytest.warns(UserWarning, match="beta4.*begins anew") as told:
        assert run(study, tmp_path, watcher=steps, stack=True)["status"].tolist() == ["done"] * 2
    assert steps.seen == list(range(101, 201))
    assert len([one for one in told if "begins anew" in str(one.message)]) == 1


@pytest.mark.parametrize(
    "fail",
    [
        lambda: Path("/no/such/place").touch(),
        lambda: torch.empty(2**50),
        lambda: np.empty(2**55),
    ],
)
def test_a_failure_that_may_pass_keeps_the_checkpoint(fail, tmp_path, monkeypatch):
    write_pictures = stages.write_pictures

    def fail_once(folder, pictures):
        if "beta1-" in str(folder):
            fail()
        write_pictures(folder, pictures)

    stop_at(2, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_pictures", fail_once)
        assert run(TWO, tmp_path).set_index("beta")["status"][1.0] == "failed"
    steps = Steps()
    assert run(TWO, tmp_path, watcher=steps)["status"].tolist() == ["done"] * 2
    assert steps.seen == [3]
    assert leftovers(Store(tmp_path)) == []


def test_ctrl_c_waits_for_the_end_of_a_step(tmp_path, monkeypatch):
    step = Training.take

    def interrupted(training, drawn):
        if training.done == 1:
            os.kill(os.getpid(), signal.SIGINT)
        step(training, drawn)

    monkeypatch.setattr(Training, "take", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            run(TWO, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(Training, "take", step)
    steps = Steps()
    run(TWO, tmp_path, watcher=steps)
    assert steps.seen == [3]


STOPPED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
from dis_bench.runners.run import run_study
from tests.runners.test_job import LONG, Told
run_study(LONG, sys.argv[1], workers=2, watcher=Told())
"""
LONG = dataclasses.replace(TWO, steps=100_000, batch_size=2, betas=[1])


class Told(Watcher):
    """A watcher that prints the steps that it is told of, from the hundredth on."""

    def watch(self, event):
        if not isinstance(event[1], str) and event[1].step >= 100:
            print(event[1].step, flush=True)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the run", "all its processes"])
def test_a_run_that_is_told_to_stop_keeps_what_it_trained(whom, tmp_path):
    command = [sys.executable, "-c", STOPPED, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert int(running.stdout.readline()) >= 100
        if whom == "the run":
            running.send_signal(signal.SIGINT)
        else:
            os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=120)
    [folder] = (tmp_path / "unfinished").glob("[!.]*")
    assert [path.name for path in folder.iterdir()] == ["checkpoint.pt"]
    [cell] = LONG.plan().cells
    assert read_checkpoint(folder, cell.hash)["step"] >= 100


KILLED = """
import os, signal, sys
from dis_bench.runners.run import run_study
from tests.runners.test_job import TWO, Seen
run_study(TWO, sys.argv[1], workers=0, watcher=Seen(2, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


@pytest.mark.slow
def test_a_process_that_is_really_killed_leaves_what_the_next_run_clears(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert leftovers(Store(tmp_path)) != []
    assert run(TWO, tmp_path)["status"].tolist() == ["done"] * 2
    assert leftovers(Store(tmp_path)) == []


def test_a_claim_that_is_lost_ends_its_cell_and_harms_nobody(tmp_path):
    results = Store(tmp_path)

    def take_over():
        [owner] = results.unfinished.glob("owner.*beta1-*")
        abandon(results)
        taken = results.claim(TWO.plan().cells[0])
        assert not owner.exists()
        taken.release()

    seen = Seen(2, take_over)
    table = run(TWO, tmp_path, watcher=seen)
    assert table["status"].tolist() == ["done"] * 2
    assert seen.trained == [1.0, 4.0, 1.0]  # again, once it was unclaimed
    for folder in table["folder"]:
        log = (Path(folder) / "training.csv").read_text().splitlines()
        assert len(log) == 1 + TWO.steps
    assert not (tmp_path / "superseded").exists()


def test_what_stands_in_the_table_of_a_failure_is_what_the_record_says(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", failing(Path.write_bytes, errno.ENOSPC))
    table = run(TWO, tmp_path).set_index("beta")
    record = json.loads((Path(table["folder"][1.0]) / "record.json").read_text())
    assert record["failure"]["reason"] == table["failure"][1.0]
    assert table["failure"][1.0].startswith("No space left on device")


class Counts(Watcher):
    """A watcher that collects how many cells a stop left finished."""

    def __init__(self):
        self.kept = []

    def keep(self, cells):
        self.kept.append(cells)


@pytest.mark.parametrize(("owner", "name", "kept"), [(Store, "place", 1), (stages, "score_cell", 0)])
def test_a_stop_counts_the_cells_that_it_left_finished(tmp_path, monkeypatch, owner, name, kept):
    watcher, called = Counts(), getattr(owner, name)

    def interrupted(*given, **options):
        monkeypatch.setattr(owner, name, called)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(TWO, tmp_path, watcher=watcher)
    assert watcher.kept == [kept]
    assert len(list((tmp_path / "cells").iterdir())) == 1
