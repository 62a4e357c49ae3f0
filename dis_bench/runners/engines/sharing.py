"""Share jobs between runs on one folder: skip claimed ones, and wait for them at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence

from dis_bench.records import claims
from dis_bench.records.schema import Record
from dis_bench.runners.job import Job, Pipeline

WAIT_SECONDS = 1.0
MOST_TRIES = 20  # for a cell that seems unclaimed, but whose claim is lost again

Engine = Callable[[Sequence[Job]], Iterator[tuple[Job, Record | None]]]
Finished = Iterator[tuple[Job, Record]]


def share_jobs(jobs: Sequence[Job], pipeline: Pipeline, run: Engine, wait: Callable[[int], None]) -> Finished:
    """Yield (job, record) for each job, with the cells of other live runs last.

    Args:
        jobs: the jobs to do.
        pipeline: the pipeline, whose store is shared.
        run: runs jobs, and yields None as the record of a job that another run has.
        wait: called every second with the number of cells that other runs have, when nothing else is left.
    """
    tries: Counter[Job] = Counter()
    while jobs:
        held = []
        for job, record in run(jobs):
            if record is not None:
                yield job, record
            elif tries[job] >= MOST_TRIES:  # a file system on which claims do not last
                lost = claims.ClaimLost(f"'{pipeline.store.unfinished}' does not keep folders")
                yield job, pipeline.describe_failure(job.cell, lost)
            else:
                held.append(job)
        free, held = yield from _wait(held, pipeline, wait)
        tries.update(free)  # another run may hold the rest for as long as it likes
        jobs = free + held


def _wait(
    held: list[Job], pipeline: Pipeline, wait: Callable[[int], None]
) -> Generator[tuple[Job, Record], None, tuple[list[Job], list[Job]]]:
    """Yield the cells that other runs finish, until some of the rest are unclaimed.

    Returns:
        The jobs that are still to do: the unclaimed ones, and those that other runs have.
    """
    free: list[Job] = []
    while held and not free:
        owners = claims.find_owners(pipeline.store.unfinished)
        for job in [job for job in held if job.cell.folder not in owners]:
            held.remove(job)
            done = pipeline.find_done(job)
            if done is None or not pipeline.is_complete(done, job.cell):
                free.append(job)
            else:
                yield job, done
        if held and not free:
            wait(len(held))
            time.sleep(WAIT_SECONDS)
    return free, held
