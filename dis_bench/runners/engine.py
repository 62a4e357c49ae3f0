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
from typing import Any, Self

from dis_bench.runners.machine import keep_freed_memory, one_thread

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
        with one_thread():
            yield from ((job, work(job, watch)) for job in jobs)
    else:
        yield from _run_in_workers(jobs, work, min(workers, len(jobs)), watch)


def _run_in_workers(jobs: Sequence[Any], work: Work, workers: int, watch: Emit) -> Iterator[tuple[Any, Any]]:
    with Workers(work, workers, watch) as pool:
        pool.submit(jobs)
        while pool.pending:
            yield from pool.collect(POLL_SECONDS)


def can_start_workers() -> bool:
    """Return True where processes can share an event: it needs shared memory that may be written."""
    try:
        multiprocessing.get_context("spawn").Event()
    except (ImportError, OSError):
        return False
    return True


class Workers:
    """Worker processes that take jobs at any time; leaving the block stops them.

    Args:
        work, watch: as for :func:`run_jobs`.
        count: processes with one thread each.
    """

    def __init__(self, work: Work, count: int, watch: Emit) -> None:
        import torch.multiprocessing  # a start method that shares tensors instead of copying them

        context = torch.multiprocessing.get_context("spawn")
        # A plain pipe: what a job emits has arrived here before its result has.
        self._events, self._stop = context.SimpleQueue(), context.Event()
        self._pool = ProcessPoolExecutor(count, context, _start_worker, (work, self._events, self._stop))
        self._watch = watch
        self._others = set(multiprocessing.active_children())  # the caller's own: none of our business
        self.pending: dict[Future, Any] = {}

    def submit(self, jobs: Sequence[Any]) -> None:
        """Add jobs; they start as workers are free.

        Raises:
            WorkerDied: a worker was killed before.
        """
        with _clean_start(), _telling_of_deaths():
            self.pending.update({self._pool.submit(_work_on, job): job for job in jobs})

    def collect(self, seconds: float = 0.0) -> Iterator[tuple[Any, Any]]:
        """Pass on what the jobs emitted, and yield (job, result) of those that finished.

        Args:
            seconds: to wait for one to finish.

        Raises:
            WorkerDied: a worker was killed.
        """
        done, _ = wait(self.pending, seconds, FIRST_COMPLETED)
        while not self._events.empty():
            self._watch(self._events.get())
        for future in done:
            with _telling_of_deaths():
                result = future.result()
            yield self.pending.pop(future), result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - self._others:
            process.join(STOP_SECONDS)
            process.terminate()


@contextmanager
def _telling_of_deaths() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise WorkerDied(
            "a worker process was killed, most often for want of memory; "
            "the finished cells are kept, and the same command goes on from there."
        ) from None


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
