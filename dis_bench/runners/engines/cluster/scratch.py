"""Scratch folders, in which tasks work on nodes that do not see the result folder.

The errand brings what a run would find in its result folder. Checkpoints, as they are written, and each
finished cell are sent back.
"""

from __future__ import annotations

import atexit
import dataclasses
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dis_bench.records.carried import Files, read_files, write_files
from dis_bench.records.processes import STAMP, make_stamp, parse_stamp, this_process
from dis_bench.records.schema import Record
from dis_bench.records.store import Store
from dis_bench.runners.engines.cluster.errand import Errand, Outcome, Send
from dis_bench.runners.engines.local import Stopped
from dis_bench.runners.job import Job, Pipeline

LOOK_SECONDS = 2.0  # between two looks for a new checkpoint to send

_PREFIX = "dis_bench_ray."


class Scratch:
    """The cells of an errand in a scratch folder.

    Args:
        root: the folder, which is empty.
        errand: the jobs, and the files that they need.
        pipeline: of the study.
        send: sends a message to the driver.

    Attributes:
        pipeline: that of the study, with this folder as its result folder.
        look: sends new checkpoints; to be called often.
    """

    def __init__(self, root: Path, errand: Errand, pipeline: Pipeline, send: Send) -> None:
        self._store, self._events, self._send = Store(root), root / "events", send
        self._open = list(errand.jobs)
        manner = dataclasses.replace(pipeline.manner, events=pipeline.manner.events and self._events)
        self.pipeline = dataclasses.replace(pipeline, store=self._store, manner=manner)
        self.look = _Look(self._open, self._store, send)
        for job in errand.jobs:
            name = job.cell.folder
            home = self._store.cells if job.scores_only else self._store.unfinished
            _lay_out(home / name, errand.files.get(name))
            _lay_out(self._events / name, errand.events.get(name))

    def send_finished(self, job: Job, record: Record | None) -> None:
        """Send a finished cell with its files, and remove these."""
        self._send("finished", (job, record, self._pack(job)))
        self._open.remove(job)
        for folder in self._folders(job):
            shutil.rmtree(folder, ignore_errors=True)

    def send_stopped(self) -> None:
        """Send what there is of the cells that are not finished."""
        for job in self._open:
            self._send("stopped", (job, self._pack(job)))

    def _pack(self, job: Job) -> Outcome:
        return Outcome(*(read_files(folder) for folder in self._folders(job)))

    def _folders(self, job: Job) -> list[Path]:
        return [home / job.cell.folder for home in (self._store.cells, self._store.unfinished, self._events)]


@contextmanager
def working_in_scratch(errand: Errand, pipeline: Pipeline, send: Send) -> Iterator[Scratch]:
    """Make a scratch folder for an errand; send what is unfinished if it is stopped."""
    root = Path(tempfile.mkdtemp(prefix="cells-", dir=scratch_home()))
    try:
        scratch = Scratch(root, errand, pipeline, send)
        try:
            yield scratch
        except Stopped:
            scratch.send_stopped()
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


def scratch_home() -> Path:
    """Return the folder for all scratch of this process; remove those of ended ones."""
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
