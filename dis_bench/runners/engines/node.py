"""The part of the Ray engine that runs on nodes: one task, and its messages.

Where a node sees the result folder, a task works in it as a local worker does. Elsewhere it works in a
scratch folder of its own, and sends files: checkpoints as they are written, and each finished cell.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import pickle
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench.records.carried import Files, read_files, write_files
from dis_bench.records.processes import STAMP, make_stamp, parse_stamp, this_process
from dis_bench.records.schema import Record
from dis_bench.records.store import Store
from dis_bench.records.sweep import sweep_unfinished
from dis_bench.runners.engines.gpu import run_stacks
from dis_bench.runners.engines.local import Stopped, limit_threads
from dis_bench.runners.engines.parcel import Parcel, unpack
from dis_bench.runners.job import Job, Pipeline

EVENT_SECONDS = 0.25  # between two events of a task; each costs a message
LOOK_SECONDS = 2.0  # between two looks for a new checkpoint to send
TRY_SECONDS = 3.0  # for a file of the driver to appear in a shared folder

_PREFIX = "dis_bench_ray."

Send = Callable[[str, Any], None]


@dataclass(frozen=True)
class Token:
    """A file that the driver writes into the result folder, so that a node knows it.

    Attributes:
        path: of the file, absolute.
        content: of the file.
    """

    path: Path
    content: str

    def is_seen(self, seconds: float = 0.0) -> bool:
        """Return True if this machine sees the file, within some seconds of waiting."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(OSError, UnicodeDecodeError):
                return self.path.read_text("utf-8") == self.content
            if time.monotonic() >= deadline or not self.path.parent.is_dir():
                return False
            time.sleep(0.1)


@dataclass(frozen=True)
class Errand:
    """An errand for a task: jobs, and the files that they need.

    Attributes:
        study: identity of the parcel.
        jobs: the jobs, which train together in stacks if there are ``workers``.
        workers: number of processes that score beside the stacks; None does jobs one by one.
        token: the file by which the result folder is known; None works in a scratch folder.
        files: by name of the cell, what a scratch folder needs: a checkpoint, or a finished cell to score.
        events: by name of the cell, its event files for TensorBoard.
    """

    study: str
    jobs: tuple[Job, ...]
    workers: int | None
    token: Token | None
    files: dict[str, Files] = field(default_factory=dict)
    events: dict[str, Files] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The files that a task leaves of a cell in a scratch folder.

    Attributes:
        files: files of its finished folder.
        left: files of the unfinished one, such as a checkpoint.
        events: event files for TensorBoard.
    """

    files: Files
    left: Files
    events: Files


_pipelines: dict[str, Pipeline] = {}  # the one that this process has unpacked, by study


def check_node(fetch: Callable[[], Parcel], study: str, token: Token) -> bool:
    """Unpack a study on this node, and return whether it sees the result folder.

    In a shared folder, the work of processes that ended on this node is released.

    Args:
        fetch: gets the parcel of the study.
        study: its identity.
        token: the file by which the result folder is known.

    Raises:
        Unfit: this node cannot do the study's jobs.
    """
    pipeline = _find_pipeline(study, fetch)
    is_shared = token.is_seen(TRY_SECONDS)
    if is_shared:
        sweep_unfinished(pipeline.store)
    return is_shared


def release_ended(fetch: Callable[[], Parcel], root: Path, token: Token) -> None:
    """Release the work of processes that ended on this node, in a shared folder."""
    if token.is_seen():
        sweep_unfinished(Store(root))


def do_errand(errand: Errand, fetch: Callable[[], Parcel], send: Send) -> None:
    """Do the jobs of a task, and send what happens as (kind, value).

    ``started``: this process, before anything is claimed. ``event``: an event of a cell. ``checkpoint``:
    (job, files). ``finished``: (job, record, :class:`Outcome` or None). ``unshared``: None, if the result
    folder is not seen here, and nothing was done. ``stopped``: (job, :class:`Outcome`) for each cell that was
    stopped in a scratch folder.

    Args:
        errand: what to do.
        fetch: gets the parcel of the study.
        send: sends a message to the driver, and returns when it has arrived.

    Raises:
        Unfit: this node cannot do the study's jobs.
    """
    send("started", str(this_process()))
    pipeline = _find_pipeline(errand.study, fetch)
    if errand.token is not None and not errand.token.is_seen():
        send("unshared", None)
        return
    with _noting_stops() as asked, suppress(Stopped):
        if errand.token is not None:
            for job, record in _do(errand, pipeline, _emitting(send, asked)):
                send("finished", (job, record, None))
        else:
            _do_in_scratch(errand, pipeline, send, asked)


def _do(
    errand: Errand, pipeline: Pipeline, emit: Callable[[Any], None]
) -> Iterator[tuple[Job, Record | None]]:
    if errand.workers is None:
        yield from ((job, pipeline(job, emit)) for job in errand.jobs)
    else:
        yield from run_stacks(errand.jobs, pipeline, workers=errand.workers, watch=emit)


def _do_in_scratch(errand: Errand, pipeline: Pipeline, send: Send, asked: list[int]) -> None:
    """Do jobs in a scratch folder, and send the files of their cells."""
    root = Path(tempfile.mkdtemp(prefix="cells-", dir=_scratch()))
    store, events = Store(root), root / "events"
    manner = dataclasses.replace(pipeline.manner, events=pipeline.manner.events and events)
    pipeline = dataclasses.replace(pipeline, store=store, manner=manner)
    open_jobs = list(errand.jobs)

    def pack(job: Job) -> Outcome:
        name = job.cell.folder
        return Outcome(*(read_files(folder / name) for folder in (store.cells, store.unfinished, events)))

    try:
        for job in errand.jobs:
            name = job.cell.folder
            _lay_out((store.cells if job.scores_only else store.unfinished) / name, errand.files.get(name))
            _lay_out(events / name, errand.events.get(name))
        look = _Look(open_jobs, store, send)
        try:
            for job, record in _do(errand, pipeline, _emitting(send, asked, look)):
                send("finished", (job, record, pack(job)))
                open_jobs.remove(job)
                for folder in (store.cells, store.unfinished, events):
                    shutil.rmtree(folder / job.cell.folder, ignore_errors=True)
        except Stopped:
            for job in open_jobs:
                send("stopped", (job, pack(job)))
            raise
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _lay_out(folder: Path, files: Files | None) -> None:
    """Put files of a cell where a pipeline looks for them."""
    if files:
        folder.mkdir(parents=True)
        write_files(folder, files)


class _Look:
    """A look for checkpoints that were written since the last one, every few seconds."""

    def __init__(self, jobs: Sequence[Job], store: Store, send: Send) -> None:
        self._jobs, self._store, self._send = jobs, store, send
        self._next = time.monotonic() + LOOK_SECONDS
        self._seen: dict[str, int] = {}

    def __call__(self) -> None:
        """Send the files of new checkpoints."""
        if time.monotonic() < self._next:
            return
        for job in self._jobs:
            for folder in self._store.unfinished.glob(f"owner.*.{job.cell.folder}"):
                with suppress(OSError):
                    self._send_new(job, folder)
        self._next = time.monotonic() + LOOK_SECONDS

    def _send_new(self, job: Job, folder: Path) -> None:
        written = max((path.stat().st_mtime_ns for path in folder.glob("checkpoint*")), default=0)
        if written > self._seen.get(job.cell.folder, 0):
            self._send("checkpoint", (job, read_files(folder, "checkpoint*")))
            self._seen[job.cell.folder] = written


def _emitting(send: Send, asked: list[int], look: Callable[[], None] = lambda: None) -> Callable[[Any], None]:
    """Make the function that sends events, and raises once a stop is requested."""
    last = 0.0

    def emit(event: Any) -> None:
        nonlocal last
        if asked:
            raise Stopped
        look()
        now = time.monotonic()
        if now - last >= EVENT_SECONDS:
            last = now
            send("event", event)

    return emit


@contextmanager
def _noting_stops() -> Iterator[list[int]]:
    """Collect the requests to stop, which Ray sends a task as an interrupt."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _find_pipeline(study: str, fetch: Callable[[], Parcel]) -> Pipeline:
    """Return the pipeline of a study, unpacked once in each process."""
    if study not in _pipelines:
        os.environ["TQDM_DISABLE"] = "1"  # the driver draws the bars
        limit_threads()
        parcel = fetch()
        needs_place = parcel.files or parcel.modules
        folder = Path(tempfile.mkdtemp(prefix="code-", dir=_scratch())) if needs_place else Path(os.devnull)
        _pipelines.clear()
        _pipelines[study] = unpack(parcel, folder)
    return _pipelines[study]


def _scratch() -> Path:
    """Return the scratch folder of this process; remove those of processes that ended."""
    home = Path(tempfile.gettempdir())
    for path in home.glob(f"{_PREFIX}*"):
        match = re.fullmatch(re.escape(_PREFIX) + STAMP, path.name)
        if match and parse_stamp(match).has_ended():
            shutil.rmtree(path, ignore_errors=True)
    mine = next(home.glob(f"{_PREFIX}{this_process()}-*"), None)
    if mine is None:
        mine = home / f"{_PREFIX}{make_stamp()}"
        mine.mkdir(mode=0o700)
        atexit.register(shutil.rmtree, mine, ignore_errors=True)
    return mine


def write_message(number: int, kind: str, value: Any) -> bytes:
    """Write a message of a task as bytes, since the mailbox knows none of our classes."""
    return pickle.dumps((number, kind, value))


def read_message(message: bytes) -> tuple[int, str, Any]:
    """Read a message of :func:`write_message`."""
    return pickle.loads(message)  # noqa: S301
