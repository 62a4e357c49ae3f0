"""Runs that share a folder train each cell once, and all of them end with all results."""

import dataclasses
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.runners.engines import sharing
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import run_study
from dis_bench.runners.watch import Watcher
from tests.runners.abandoned import abandon, leftovers
from tests.runners.test_run import TINY as ON_ANY_KERNELS
from tests.runners.test_run import records

TINY = dataclasses.replace(ON_ANY_KERNELS, kernels="torch")  # as stacks have it
TWO = dataclasses.replace(TINY, seeds=1)  # beta 1 and beta 4


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch):
    monkeypatch.setattr(sharing, "WAIT_SECONDS", 0.0)


@pytest.fixture(params=[False, True], ids=["cell by cell", "in stacks"])
def stack(request):
    return request.param


class Seen(Watcher):
    """A watcher that collects all events, and acts each time that a run waits for others."""

    def __init__(self, *at_waits):
        self.trained, self.finished, self.waits = [], [], []
        self.at_waits = list(at_waits)

    def watch(self, event):
        cell, what = event
        if not isinstance(what, str) and cell not in self.trained:
            self.trained.append(cell)

    def finish(self, cell, record):
        self.finished.append(cell)

    def wait(self, cells):
        self.waits.append(cells)
        if self.at_waits:
            self.at_waits.pop(0)()


def hold(store, cell):
    """Hold a claim on a cell, as another live run would."""
    claim = store.claim(cell)
    assert claim is not None
    return claim


def test_a_cell_that_another_run_has_comes_last_and_is_done_when_it_is_let_go(tmp_path, stack):
    first, second = TWO.plan().cells
    claim = hold(Store(tmp_path), first)
    seen = Seen(lambda: None, claim.release)
    table = run_study(TWO, tmp_path, workers=0, stack=stack, watcher=seen)
    assert table["status"].tolist() == ["done"] * 2
    assert seen.finished == [second, first]
    assert seen.waits == [1, 1]


def test_what_another_run_finishes_is_taken_as_it_is(tmp_path, stack):
    first, second = TWO.plan().cells
    run_study(TWO, tmp_path / "other", workers=0, command="the other run")
    store = Store(tmp_path / "mine")
    claim = hold(store, first)

    def finish():
        shutil.copytree(Store(tmp_path / "other").folder(first), claim.folder, dirs_exist_ok=True)
        store.place(claim, first.folder)
        claim.release()

    seen = Seen(finish)
    table = run_study(TWO, store.root, workers=0, stack=stack, watcher=seen, command="my run")
    assert table["mean_code"].notna().all()
    assert seen.trained == [second]
    assert store.find(first)["command"] == "the other run"


def test_always_does_again_what_was_there_before_but_not_what_another_run_has_just_done(tmp_path):
    one = dataclasses.replace(TINY, seeds=1, betas=[1])
    [cell] = one.plan().cells
    store = Store(tmp_path)
    run_study(one, tmp_path, workers=0, command="long ago")
    claim = hold(store, cell)

    def finish():
        run_study(one, tmp_path / "other", workers=0, command="just now")
        shutil.copytree(Store(tmp_path / "other").folder(cell), claim.folder, dirs_exist_ok=True)
        store.place(claim, cell.folder)
        claim.release()

    seen = Seen(finish)
    run_study(one, tmp_path, workers=0, rerun="always", watcher=seen)
    assert seen.trained == []
    assert store.find(cell)["command"] == "just now"
    assert len(list((tmp_path / "superseded").iterdir())) == 1


def test_a_claim_whose_owner_ends_while_a_run_waits_is_taken_over(tmp_path, stack):
    first, second = TWO.plan().cells
    store = Store(tmp_path)
    (hold(store, first).folder / "half.csv").write_text("half")
    seen = Seen(lambda: abandon(store))
    table = run_study(TWO, tmp_path, workers=0, stack=stack, watcher=seen)
    assert table["status"].tolist() == ["done"] * 2
    assert seen.trained == [second, first]
    assert leftovers(store) == []


def test_scores_are_added_once(tmp_path):
    first = TWO.plan().cells[0]
    store = Store(tmp_path)
    run_study(dataclasses.replace(TWO, metrics=()), tmp_path, workers=0)
    claim = hold(store, first)

    def let_another_score():
        claim.release()
        run_study(TWO, tmp_path, workers=0)

    run_study(TWO, tmp_path, workers=0, watcher=Seen(let_another_score))
    names = sorted(path.name for path in records(tmp_path))
    assert names == ["record.2.json", "record.2.json", "record.json", "record.json"]


def test_a_cell_that_another_run_trained_and_did_not_score_is_scored(tmp_path):
    first, _ = TWO.plan().cells
    store = Store(tmp_path)
    claim = hold(store, first)

    def train_only():
        claim.release()
        run_study(dataclasses.replace(TWO, metrics=(), betas=[1]), tmp_path, workers=0)

    seen = Seen(train_only)
    assert run_study(TWO, tmp_path, workers=0, watcher=seen)["mean_code"].notna().all()
    assert first not in seen.trained


def test_held_cells_of_a_stack_are_left_out_of_it(tmp_path):
    cells = TINY.plan().cells
    claims = [hold(Store(tmp_path), cell) for cell in cells[:2]]
    seen = Seen(lambda: [claim.release() for claim in claims])
    table = run_study(TINY, tmp_path, workers=0, stack=True, watcher=seen)
    assert table["status"].tolist() == ["done"] * 4
    assert set(seen.finished[:2]) == set(cells[2:])
    assert seen.waits == [2]


def test_cells_that_another_run_holds_for_many_rounds_do_not_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(sharing, "MOST_TRIES", 1)
    claims = [hold(Store(tmp_path), cell) for cell in TINY.plan().cells]
    seen = Seen(*(claim.release for claim in claims))  # one cell a round
    table = run_study(TINY, tmp_path, workers=0, watcher=seen)
    assert table["status"].tolist() == ["done"] * 4
    assert seen.waits == [4, 3, 2, 1]


def test_claims_that_do_not_last_end_in_a_failure_and_not_in_a_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "claim", lambda store, cell: None)
    monkeypatch.setattr(sharing, "MOST_TRIES", 3)
    table = run_study(TWO, tmp_path, workers=0)
    assert table["status"].tolist() == ["failed"] * 2
    assert "does not keep folders" in table["failure"][0]


SHARER = """
import sys
from pathlib import Path
from dis_bench.runners.run import run_study
from tests.runners.engines.test_sharing import TINY, Seen
print("ready", flush=True)
sys.stdin.readline()
seen = Seen()
table = run_study(TINY, sys.argv[1], workers=0, watcher=seen, command=sys.argv[2])
print(len(table), table["mean_code"].notna().sum(), *(cell.hash for cell in seen.trained))
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_runs_that_start_together_train_each_cell_once(count, tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SHARER, tmp_path, f"run {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for one in runs:
        assert one.stdout.readline() == "ready\n"
    for one in runs:
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [one.communicate(timeout=120)[0].split() for one in runs]
    assert [words[:2] for words in told] == [["4", "4"]] * count
    assert sorted(cell for words in told for cell in words[2:]) == sorted(c.hash for c in TINY.plan().cells)
    assert len(records(tmp_path)) == 4
    assert not (tmp_path / "superseded").exists()
    assert leftovers(Store(tmp_path)) == []


@pytest.fixture
def switches_restored():
    """Restore torch's switches, which are the process's: two threads put them back in any order."""
    cublas, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    switches = [
        (cublas, "fp32_precision"),
        (cublas, "allow_bf16_reduced_precision_reduction"),
        (cudnn.conv, "fp32_precision"),
        (cudnn, "benchmark"),
    ]
    before = [getattr(library, name) for library, name in switches]
    yield
    for (library, name), value in zip(switches, before, strict=True):
        setattr(library, name, value)


@pytest.mark.usefixtures("switches_restored")
def test_two_threads_of_one_script_share_too(tmp_path):
    threads = [threading.Thread(target=run_study, args=(TWO, tmp_path), kwargs={"workers": 0}) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_results(tmp_path)) == 2
    assert not (tmp_path / "superseded").exists()
    assert choose_jobs(TWO.plan(), Store(Path(tmp_path)), "missing") == []
