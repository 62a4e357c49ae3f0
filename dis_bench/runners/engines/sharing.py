"""Runs that share a folder: each does what no other has, and waits at the end for the rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence

from dis_bench.records import claims
from dis_bench.records.schema import Record
from dis_bench.runners.job import Job, Pipeline

WAIT_SECONDS = 1.0
MOST_TRIES = 20  # of a claim that nobody seems to have, and that is lost again

Engine = Callable[[Sequence[Job]], Iterator[tuple[Job, Record | None]]]
Finished = Iterator[tuple[Job, Record]]


def share_jobs(jobs: Sequence[Job], pipeline: Pipeline, run: Engine, wait: Callable[[int], None]) -> Finished:
    """Yield (job, record) for each job; cells that other live runs have come last, as these finish them.

    Args:
        jobs: to do.
        pipeline: whose store is shared.
        run: does jobs, and yields None for the record of one that another run has.
        wait: called every second with the number of cells that other runs have, when nothing else is left.
    """
    tries: Counter[Job] = Counter()
    while jobs:
        held = []
        for job, record in run(jobs):
            if record is not None:
                yield job, record
            elif tries[job] == MOST_TRIES:  # a file system on which claims do not last
                lost = claims.ClaimLost(f"'{pipeline.store.unfinished}' does not keep folders")
                yield job, pipeline.describe_failure(job.cell, lost)
            else:
                tries[job] += 1
                held.append(job)
        jobs = yield from _wait(held, pipeline, wait)


def _wait(
    held: list[Job], pipeline: Pipeline, wait: Callable[[int], None]
) -> Generator[tuple[Job, Record], None, list[Job]]:
    """Yield the cells that other runs finish; return those that nobody has any more, once there are any."""
    free: list[Job] = []
    while held and not free:
        owners = claims.find_owners(pipeline.store.unfinished)
        for job in [job for job in held if job.cell.folder not in owners]:
            held.remove(job)
            done = pipeline.find_done(job)
            if done is None or (done["status"] == "done" and pipeline.list_lacking(done, job.cell)):
                free.append(job)
            else:
                yield job, done
        if held and not free:
            wait(len(held))
            time.sleep(WAIT_SECONDS)
    return free + held
