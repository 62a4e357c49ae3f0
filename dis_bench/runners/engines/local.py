"""Run jobs on this machine, in worker processes or in this process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, Self

from dis_bench.neutral import one_thread
from dis_bench.printing import format_warning
from dis_bench.records.store import KEPT
from dis_bench.runners.device import keep_freed_memory
from dis_bench.runners.stopping import STOPS

POLL_SECONDS = 0.1
PROGRESS_SECONDS = 0.1  # between progress messages of a cell; sending every step would cost 3% of it
STOP_SECONDS = 2.5  # for a worker to reach its next event; one that is scoring is killed, and loses only that
JOIN_SECONDS = 20  # for a process to end after it closed its pipe
MOST_DEATHS = 2  # of workers that were killed during one job
MOST_FALSE_STARTS = 3  # workers in a row that died before their first job

Emit = Callable[[Any], None]


class Stopped(BaseException):
    """Interruption of a job; not an Exception, so that no job catches it by accident."""


class WorkerDied(RuntimeError):
    """Error: worker processes were killed, usually because memory ran out."""


class Work(Protocol):
    """The function that runs jobs; it is sent to each worker once, with shared tensors."""

    def __call__(self, job: Any, emit: Emit, /) -> Any:
        """Run a job, calling ``emit(event)`` often, since only that interrupts it."""

    def give_up(self, job: Any, reason: str, /) -> Any:
        """Return the result of a job whose worker was always killed, in the parent."""


def run_jobs(jobs: Sequence[Any], work: Work, *, workers: int, watch: Emit) -> Iterator[tuple[Any, Any]]:
    """Yield (job, result) for each job, in the order in which they finish.

    Args:
        jobs: any picklable values.
        work: runs the jobs.
        workers: number of processes, with one thread each; 0 runs the jobs in this process.
        watch: called in this process with every event that a job emits.

    Raises:
        KeyboardInterrupt: the study was interrupted; the workers were stopped.
        WorkerDied: workers die before they take a job.
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
    """Return True if processes can share an event, which needs writable shared memory."""
    try:
        multiprocessing.get_context("spawn").Event()
    except (ImportError, OSError):
        return False
    return True


@dataclass
class _Task:
    """A job, and the number of workers that were killed while running it."""

    job: Any
    deaths: int = 0


@dataclass(eq=False)
class _Worker:
    """A worker process, with the parent's end of its pipe and its current task."""

    process: BaseProcess
    pipe: Connection
    started: bool = False
    task: _Task | None = None


class Workers:
    """Worker processes that accept jobs at any time; leaving the block stops them.

    Each has its own pipe, and shares no lock with the others, so that killing one only interrupts its current
    job. That job is tried once more, after the others.

    Args:
        work, watch: as for :func:`run_jobs`.
        count: number of processes, with one thread each.
    """

    def __init__(self, work: Work, count: int, watch: Emit) -> None:
        import torch.multiprocessing  # its start method shares tensors rather than copying them

        self._context = torch.multiprocessing.get_context("spawn")
        self._stop = self._context.RawValue(
            "b", 0
        )  # without a lock, which a killed worker might hold forever
        self._work, self._count, self._watch = work, count, watch
        self._workers: list[_Worker] = []
        self._waiting: deque[_Task] = deque()
        self._false_starts = 0

    @property
    def pending(self) -> int:
        """Number of jobs that are not done yet."""
        return len(self._waiting) + sum(worker.task is not None for worker in self._workers)

    def submit(self, jobs: Sequence[Any]) -> None:
        """Add jobs, which start as soon as workers are free."""
        self._waiting.extend(map(_Task, jobs))
        self._assign()

    def collect(self, seconds: float = 0.0) -> Iterator[tuple[Any, Any]]:
        """Forward the events of jobs, and yield (job, result) of finished ones.

        Args:
            seconds: time to wait for messages.

        Raises:
            WorkerDied: workers die before they take a job.
        """
        self._assign()
        wait([one for worker in self._workers for one in (worker.pipe, worker.process.sentinel)], seconds)
        for worker in list(self._workers):
            yield from self._read(worker)
        self._assign()

    def _assign(self) -> None:
        """Assign each waiting job to a free worker, or to a new one up to their number."""
        while self._waiting:
            worker = next((one for one in self._workers if one.task is None), None)
            if worker is None:
                if len(self._workers) == self._count:
                    return
                worker = self._start()
            worker.task = self._waiting.popleft()
            with suppress(OSError):  # if it was just killed, reading its pipe will show that
                worker.pipe.send(worker.task.job)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs, self._stop))
        with _clean_start():
            process.start()
        theirs.close()  # so that the pipe closes when the worker ends
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _read(self, worker: _Worker) -> Iterator[tuple[Any, Any]]:
        """Receive the messages of a worker, and notice its end."""
        ended = worker.process.exitcode is not None  # checked first: then all its messages are in the pipe
        for kind, value in _receive(worker.pipe):
            if kind == "event":
                self._watch(value)
            elif kind == "started":
                worker.started, self._false_starts = True, 0
            elif kind == "raised":
                raise value
            elif kind == "closed":
                ended = True
            elif worker.task is not None:
                job, worker.task = worker.task.job, None
                yield job, value
        if ended:
            yield from self._bury(worker)

    def _bury(self, worker: _Worker) -> Iterator[tuple[Any, Any]]:
        """Requeue the job of a killed worker, or give it up after the second time."""
        worker.process.join(JOIN_SECONDS)
        worker.pipe.close()
        self._workers.remove(worker)
        task, how = worker.task, _describe_end(worker.process.exitcode)
        if not worker.started:
            self._false_starts += 1
            if self._false_starts == MOST_FALSE_STARTS:
                raise WorkerDied(
                    f"worker processes die as they start ({how}), usually because memory ran out; {KEPT}"
                )
        elif task is not None:
            task.deaths += 1
        if task is None:
            return
        if task.deaths < MOST_DEATHS:
            self._waiting.append(task)
            return
        reason = f"its worker process was killed {task.deaths} times ({how}), usually because memory ran out"
        yield task.job, self._work.give_up(task.job, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.value = 1
        for worker in self._workers:
            worker.pipe.close()
            if not worker.started:  # it is still importing, and will reach no event
                worker.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()


def _receive(pipe: Connection) -> Iterator[tuple[str, Any]]:
    """Yield the messages that have arrived, then ("closed", None) if the pipe ended."""
    while True:
        try:
            if not pipe.poll():
                return
            message = pipe.recv()
        except (EOFError, OSError):
            yield "closed", None
            return
        yield message


def _describe_end(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(work: Work, pipe: Connection, stop: Any) -> None:
    """Run the jobs that arrive through the pipe, in a worker, until it is closed."""
    from dis_bench.runners.training.log import Progress

    _start_worker()
    asked = _note_signals()
    told: dict[Any, float] = {}  # when a cell's last step was sent

    def emit(event: Any) -> None:
        if stop.value or asked:
            raise Stopped
        if isinstance(event[-1], Progress):
            cell, now = event[0], time.monotonic()
            if now < told.get(cell, 0.0) + PROGRESS_SECONDS:
                return
            told[cell] = now
        try:
            pipe.send(("event", event))
        except OSError:
            raise Stopped from None

    with suppress(Stopped, EOFError, OSError):
        pipe.send(("started", None))
        while True:
            job = pipe.recv()
            try:
                answer = ("done", work(job, emit))
            except Exception as error:
                answer = ("raised", _picklable(error))
            pipe.send(answer)


def _note_signals() -> list[int]:
    """Return a list that collects the signals that ask this worker to stop.

    A signal to a whole process group reaches workers too, and not only their parent.
    """
    asked: list[int] = []
    for number in STOPS:
        if number != signal.SIGINT and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: asked.append(number))
    return asked


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _start_worker() -> None:
    """Set up a worker process."""
    warnings.formatwarning = format_warning
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops workers cleanly
    limit_threads()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def limit_threads() -> None:
    """Set this process up to compute with a single thread.

    So results do not depend on the number of workers, and two single-threaded workers train faster than one
    with two threads.
    """
    import threadpoolctl
    import torch

    keep_freed_memory()
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # the metrics follow it


def _end_with_parent() -> None:
    """Exit when the parent process ends, since nothing could collect the results."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _clean_start() -> Iterator[None]:
    """Start workers without the caller's script and without progress bars.

    Workers do not need the script, and one without ``if __name__ == "__main__"`` would start its study again
    in each of them. Bars are drawn in this process, from the events of the workers.
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
