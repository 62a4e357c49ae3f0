"""Jobs give the same results in workers as in this process; stops and deaths are clean."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from dis_bench.runners.engines.local import PROGRESS_SECONDS, WorkerDied, Workers, run_jobs
from dis_bench.runners.training.log import Progress


class Work:
    """Picklable work for spawned workers."""

    def __init__(self, tensor=None):
        self.tensor = tensor

    def __call__(self, job, emit):
        emit(("started", job))
        if "PIDS" in os.environ:
            with open(os.environ["PIDS"], "a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
        if job == "mistake":
            raise KeyError("mistake")
        if job == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "write":
            self.tensor += 1
        while job == "forever":
            time.sleep(0.01)
            emit("still here")
        if job == "die once" and not os.path.exists(os.environ["MARK"]):
            open(os.environ["MARK"], "x", encoding="utf-8").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return job, os.getpid(), torch.get_num_threads()

    def give_up(self, job, reason):
        return job, reason


@pytest.mark.parametrize("workers", [0, 2])
def test_every_job_comes_back_with_its_result_and_events(workers):
    events = []
    results = dict(run_jobs(range(5), Work(), workers=workers, watch=events.append))
    assert {job: result[0] for job, result in results.items()} == {n: n for n in range(5)}
    assert sorted(events) == [("started", n) for n in range(5)]
    own = {result[1] == os.getpid() for result in results.values()}
    assert own == {workers == 0}
    if workers:
        assert {result[2] for result in results.values()} == {1}


class Training(Work):
    """Work that tells of many steps, and of each of its stages."""

    def __call__(self, job, emit):
        begin = time.monotonic()
        for step in range(1000):
            emit((job, Progress(step, {})))
        emit((job, "encoding"))
        emit((job, "scoring"))
        return time.monotonic() - begin


def test_workers_tell_of_all_stages_and_of_some_steps():
    events = []
    [(_, seconds)] = run_jobs(["cell"], Training(), workers=1, watch=events.append)
    steps = [what.step for _, what in events[:-2]]
    assert steps[0] == 0
    assert len(steps) <= 1 + seconds / PROGRESS_SECONDS
    assert events[-2:] == [("cell", "encoding"), ("cell", "scoring")]
    events.clear()
    list(run_jobs(["cell"], Training(), workers=0, watch=events.append))
    assert [what.step for _, what in events[:-2]] == [*range(1000)]


def test_workers_take_jobs_at_any_time():
    with Workers(Work(), 1, watch=lambda _: None) as workers:
        results = {}
        for job in ("first", "second"):
            workers.submit([job])
            while workers.pending:
                results |= workers.collect(0.1)
        assert {job: result[0] for job, result in results.items()} == {"first": "first", "second": "second"}
        assert results["first"][1] == results["second"][1] != os.getpid()  # one process did both


def test_tensors_are_shared_with_workers_not_copied():
    tensor = torch.zeros(3).share_memory_()
    list(run_jobs(["write", "write"], Work(tensor), workers=2, watch=lambda _: None))
    assert tensor.tolist() == [2, 2, 2]


def test_a_job_that_kills_its_workers_is_given_up_and_the_others_are_done():
    events = []
    jobs = ["die", *range(4)]
    results = dict(run_jobs(jobs, Work(), workers=2, watch=events.append))
    job, reason = results.pop("die")
    assert job == "die"
    assert "killed 2 times (by SIGKILL), usually because memory ran out" in reason
    assert set(results) == set(range(4))
    assert events.count(("started", "die")) == 2
    assert [events.count(("started", n)) for n in range(4)] == [1] * 4  # a death affects no other job


def test_a_job_whose_worker_was_killed_by_chance_is_done_after_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    finished = [job for job, _ in run_jobs(["die once", 1, 2], Work(), workers=1, watch=lambda _: None)]
    assert finished == [1, 2, "die once"]


class Unstartable(Work):
    """Work that kills a worker before it takes a job."""

    def __setstate__(self, state):
        os._exit(3)


def test_workers_that_end_as_they_start_are_told_of_and_not_tried_for_ever():
    with pytest.raises(WorkerDied, match=r"die as they start \(exit code 3\)"):
        list(run_jobs([1], Unstartable(), workers=1, watch=lambda _: None))


def test_an_error_of_the_work_itself_is_raised_here():
    with pytest.raises(KeyError, match="mistake"):
        list(run_jobs(["mistake"], Work(), workers=1, watch=lambda _: None))


def test_an_interruption_stops_the_workers():
    def interrupt(event):
        if event == "still here":
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(["forever", "forever"], Work(), workers=2, watch=interrupt))
    assert time.monotonic() - start < 30


def test_the_callers_own_processes_are_left_alone():
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    list(run_jobs([1], Work(), workers=1, watch=lambda _: None))
    assert own.is_alive()
    own.kill()
    own.join()


ORPHANS = """
import os, signal
from dis_bench.runners.engines.local import run_jobs
from tests.runners.engines.test_local import Work
def watch(event):
    if event == "still here":
        os.kill(os.getpid(), signal.SIGKILL)
list(run_jobs(["pid", "forever"], Work(), workers=2, watch=watch))
"""


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "script.py").write_text(ORPHANS)
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PIDS": str(tmp_path / "pids")}
    subprocess.run([sys.executable, tmp_path / "script.py"], env=environment, timeout=60)
    workers = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_running(pid) for pid in workers)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SCRIPT = """
from dis_bench.runners.engines.local import run_jobs
from tests.runners.engines.test_local import Work
print("started")
print(len(list(run_jobs([1, 2], Work(), workers=2, watch=lambda event: None))))
"""


def test_a_script_without_a_main_guard_is_not_started_again_by_its_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    here = os.getcwd()
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": here},
    )
    assert done.stdout.split() == ["started", "2"], done.stderr
