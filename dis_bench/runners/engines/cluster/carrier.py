"""Cells whose files travel, since nodes do not see the result folder.

This process claims such a cell, sends what a node needs, and puts down what comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dis_bench.records.along import is_codes
from dis_bench.records.carried import Files, read_files, write_files
from dis_bench.records.checkpoint import discard_checkpoint
from dis_bench.records.claims import Claim, ClaimLost
from dis_bench.records.codes import FILE as CODES
from dis_bench.records.durable import remove_file
from dis_bench.records.schema import Record
from dis_bench.records.store import NotPlaced
from dis_bench.runners.engines.cluster.errand import Errand, Outcome
from dis_bench.runners.job import Job, Pipeline

Done = list[tuple[Job, Record | None]]


class Carrier:
    """The claims of cells that are with nodes, and their files.

    Args:
        pipeline: of the study.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._store = pipeline, pipeline.store
        self._claims: dict[Job, Claim] = {}

    def claim_all(self, jobs: Sequence[Job]) -> tuple[Done, list[Job]]:
        """Claim the cells of jobs; return the jobs that are done, and those to do."""
        done: Done = []
        left: list[Job] = []
        for given in jobs:
            job = given
            try:
                job, record = self._claim(given)
            except (OSError, NotPlaced, ClaimLost) as error:
                record = self._pipeline.describe_failure(job.cell, error)
            if job in self._claims:
                left.append(job)
            else:
                done.append((job, record))
        return done, left

    def _claim(self, job: Job) -> tuple[Job, Record | None]:
        """Claim a cell, unless another run has done it or is at work on it.

        If the other run has left scores out, the job that is returned adds them.
        """
        claim = self._store.claim(job.cell)
        if claim is None:
            return job, None
        try:
            done = None if job.scores_only else self._pipeline.find_done(job)
            if done is None and job.anew:
                discard_checkpoint(claim.folder)
        except BaseException:
            claim.release()
            raise
        if done is not None and self._pipeline.is_complete(done, job.cell):
            claim.release()
            return job, done
        job = job if done is None else replace(job, scores_only=True)
        self._claims[job] = claim
        return job, None

    def write_errand(self, study: str, jobs: Sequence[Job], workers: int | None) -> Errand:
        """Write an errand for claimed cells, with the files that it needs."""
        files, events = {}, {}
        for job in jobs:
            name = job.cell.folder
            files[name] = self._read_scored(job) if job.scores_only else self._read_checkpoint(job)
            if self._pipeline.manner.events is not None:
                events[name] = read_files(self._pipeline.manner.events / name)
        return Errand(study, tuple(jobs), workers, None, files, events)

    def _read_checkpoint(self, job: Job) -> Files:
        return read_files(self._claims[job].folder, "checkpoint*")

    def _read_scored(self, job: Job) -> Files:
        """Read the files of a finished cell that its scoring reads: records and codes."""
        folder = self._store.folder(job.cell)
        return {**read_files(folder, "record*"), **read_files(folder, "codes*")}

    def keep_checkpoint(self, job: Job, files: Files) -> None:
        """Keep a checkpoint of a cell in training where its next owner would find it."""
        claim = self._claims.get(job)
        if claim is not None and not claim.lost:
            try:
                write_files(claim.folder, files)
            except OSError:  # the next one may succeed; without any, only time is lost
                return

    def put_down(self, job: Job, record: Record | None, outcome: Outcome) -> tuple[Job, Record | None]:
        """Put a finished cell into the store; return the job and its record."""
        claim = self._claims.pop(job, None)
        if claim is None:
            return job, None
        if record is None:  # the node lost the cell, which another one may do
            claim.release()
            return job, None
        record = {name: value for name, value in record.items() if name != "folder"}
        try:
            claim.check()
            with claim:
                self._place(job, claim, outcome)
        except ClaimLost:
            return job, None
        except (OSError, NotPlaced) as error:
            return job, self._pipeline.describe_failure(job.cell, error)
        return job, record

    def _place(self, job: Job, claim: Claim, outcome: Outcome) -> None:
        self._write_events(job, outcome)
        if job.scores_only:
            before, folder = self._read_scored(job), self._store.folder(job.cell)
            new = {name for name, content in outcome.files.items() if before.get(name) != content}
            write_files(folder, {name: outcome.files[name] for name in new})
            for name in before.keys() - outcome.files.keys():
                if name == CODES or is_codes(name):  # of which the study keeps none
                    remove_file(folder / name)
        elif outcome.files:
            write_files(claim.folder, outcome.files)
            self._store.place(claim, job.cell.folder)
            if outcome.left:  # the checkpoint of a failure that may be passing
                aside = self._store.unfinished / job.cell.folder
                aside.mkdir(exist_ok=True)
                write_files(aside, outcome.left)

    def put_back(self, job: Job, outcome: Outcome) -> None:
        """Keep the files of a cell that was stopped, and release it.

        A cell that was trained in a stack, and stopped before it was scored, is put into the store.
        """
        claim = self._claims.pop(job, None)
        if claim is None:
            return
        try:
            claim.check()
            if outcome.files and not job.scores_only:
                with claim:
                    self._place(job, claim, outcome)
                return
            self._write_events(job, outcome)
            write_files(claim.folder, outcome.left)
            claim.release(keep=True if outcome.left else None)
        except (OSError, ClaimLost, NotPlaced):
            claim.release()

    def _write_events(self, job: Job, outcome: Outcome) -> None:
        """Replace a cell's event files by those that a node made of them."""
        if self._pipeline.manner.events is None or not outcome.events:
            return
        folder = self._pipeline.manner.events / job.cell.folder
        folder.mkdir(parents=True, exist_ok=True)
        old = read_files(folder)
        write_files(folder, outcome.events)
        for name in old.keys() - outcome.events.keys():
            remove_file(folder / name)

    def release(self, jobs: Sequence[Job]) -> None:
        """Release the cells of jobs that are with no node any more; checkpoints stay."""
        for job in jobs:
            claim = self._claims.pop(job, None)
            if claim is not None:
                claim.release()
