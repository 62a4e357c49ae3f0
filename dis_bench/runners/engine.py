"""Running cells on this machine: one function, whether in worker processes or right here.

An engine for a cluster would be another function of the same shape as :func:`run_jobs`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from dis_bench.runners.machine import keep_freed_memory

POLL_SECONDS = 0.1
STOP_SECONDS = 20  # for a worker to reach its next event: the longest stage without one is scoring DCI

Emit = Callable[[Any], None]
Work = Callable[[Any, Emit], Any]


class Stopped(BaseException):
    """Raised inside a job when the study was interrupted; not an Exception, so that no job swallows it."""


class WorkerDied(RuntimeError):
    """A worker process was killed from outside, most often for want of memory."""


def run_jobs(jobs: Sequence[Any], work: Work, *, workers: int, watch: Emit) -> Iterator[tuple[Any, Any]]:
    """Yield (job, work's result) for each job, in the order in which they finish.

    Args:
        jobs: any picklable values.
        work: called as ``work(job, emit)``; it calls ``emit(event)`` often, which is where an
            interruption reaches it. It travels to each worker once, its tensors shared, not copied.
        workers: processes with one thread each; 0 runs the jobs in this process.
        watch: called here with every event that a job emits.

    Raises:
        KeyboardInterrupt: after the workers were stopped.
        WorkerDied: a worker was killed; what it had finished stays.
    """
    if workers == 0:
        yield from ((job, work(job, watch)) for job in jobs)
    else:
        yield from _run_in_workers(jobs, work, min(workers, len(jobs)), watch)


def _run_in_workers(jobs: Sequence[Any], work: Work, workers: int, watch: Emit) -> Iterator[tuple[Any, Any]]:
    import torch.multiprocessing  # a start method that shares tensors instead of copying them

    context = torch.multiprocessing.get_context("spawn")
    # A plain pipe: what a job emits has arrived here before its result has.
    events, stop = context.SimpleQueue(), context.Event()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (work, events, stop))
    others = set(multiprocessing.active_children())  # the caller's own, which are none of our business
    try:
        with _clean_start():
            futures: dict[Future, Any] = {pool.submit(_work_on, job): job for job in jobs}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            _drain(events, watch)
            for future in done:
                yield futures[future], future.result()
    except BrokenProcessPool:
        raise WorkerDied(
            "a worker process was killed, most often for want of memory; "
            "the finished cells are kept, and the same command goes on from there."
        ) from None
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.join(STOP_SECONDS)
            process.terminate()


def _drain(events: Any, watch: Emit) -> None:
    while not events.empty():
        watch(events.get())


# What a worker process holds, set once by _start_worker.
_worker: dict[str, Any] = {}


def _start_worker(work: Work, events: Any, stop: Any) -> None:
    """One thread a worker: results do not depend on how many cells run beside each other, and two
    single-threaded workers train faster than one with two threads."""
    import threadpoolctl
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops us in order
    keep_freed_memory()
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # which the metrics follow

    threading.Thread(target=_end_with_parent, daemon=True).start()

    def emit(event: Any) -> None:
        if stop.is_set():
            raise Stopped
        events.put(event)

    _worker.update(work=work, emit=emit)


def _end_with_parent() -> None:
    """End this worker when its parent is gone, however that came about: nobody could take its results."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work_on(job: Any) -> Any:
    return _worker["work"](job, _worker["emit"])


@contextmanager
def _clean_start() -> Iterator[None]:
    """Start workers without importing the caller's script in them, and without progress bars of their own.

    They need nothing of the script, and one without an ``if __name__ == "__main__"`` would start its study
    again in each worker. Bars are drawn here, from what the workers emit.
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    bars = os.environ.get("TQDM_DISABLE")
    try:
        os.environ["TQDM_DISABLE"] = "1"
        for name in kept:
            setattr(main, name, None)
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
        if bars is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = bars
