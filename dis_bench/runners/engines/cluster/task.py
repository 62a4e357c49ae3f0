"""The part of the Ray engine that runs on nodes: one task, and its messages.

Where a node sees the result folder, a task works in it as a local worker does, and elsewhere in a
:mod:`.scratch` folder of its own.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dis_bench.records.processes import this_process
from dis_bench.records.schema import Record
from dis_bench.records.store import Store
from dis_bench.records.sweep import sweep_unfinished
from dis_bench.runners.engines.cluster.errand import Errand, Send, Token
from dis_bench.runners.engines.cluster.parcel import Parcel, unpack
from dis_bench.runners.engines.cluster.scratch import scratch_home, working_in_scratch
from dis_bench.runners.engines.gpu import run_stacks
from dis_bench.runners.engines.local import Stopped, limit_threads
from dis_bench.runners.job import Job, Pipeline

EVENT_SECONDS = 0.25  # between two events of a task; each costs a message
TRY_SECONDS = 3.0  # for a file of the driver to appear in a shared folder

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
            with working_in_scratch(errand, pipeline, send) as scratch:
                for job, record in _do(errand, scratch.pipeline, _emitting(send, asked, scratch.look)):
                    scratch.send_finished(job, record)


def _do(
    errand: Errand, pipeline: Pipeline, emit: Callable[[Any], None]
) -> Iterator[tuple[Job, Record | None]]:
    if errand.workers is None:
        yield from ((job, pipeline(job, emit)) for job in errand.jobs)
    else:
        yield from run_stacks(errand.jobs, pipeline, workers=errand.workers, watch=emit)


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
        folder = tempfile.mkdtemp(prefix="code-", dir=scratch_home()) if needs_place else os.devnull
        _pipelines.clear()
        _pipelines[study] = unpack(parcel, Path(folder))
    return _pipelines[study]
