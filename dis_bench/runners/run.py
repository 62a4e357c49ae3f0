"""Running a study: which cells are left to do, doing them, and the table of all."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench.errors import unknown
from dis_bench.metrics.threads import count_cores
from dis_bench.neutral import neutral
from dis_bench.printing import as_utf8
from dis_bench.runners.anchors import keep_anchors
from dis_bench.runners.cell import Cell
from dis_bench.runners.engine import can_start_workers, run_jobs
from dis_bench.runners.machine import check_device, keep_freed_memory, one_thread
from dis_bench.runners.pipeline import Job, Pipeline, lacking_metrics
from dis_bench.runners.ready import ReadyCell
from dis_bench.runners.stacked_run import run_stacks
from dis_bench.runners.stacks import choose_stacks, group_jobs, is_stackable, measure_stack, split_group
from dis_bench.runners.store import Record, Store, tabulate
from dis_bench.runners.study import Plan, Study
from dis_bench.runners.training import Progress

if TYPE_CHECKING:
    import pandas as pd

RERUN = ("never", "missing", "always")


class Watcher:
    """Told what happens while a study runs; this one keeps quiet."""

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """The jobs that are about to be done, and how many cells were done before."""

    def event(self, event: tuple[Cell, Progress | str]) -> None:
        """A training step, or a stage such as ``scoring mig``, of one cell."""

    def finish(self, cell: Cell, record: Record) -> None:
        """A cell's record was written."""

    def close(self) -> None:
        """Nothing more will come."""


@neutral(warn=True)
def run_study(
    study: Study,
    out: str | Path = "results",
    *,
    rerun: str = "missing",
    command: str = "",
    watcher: Watcher | None = None,
    workers: int | None = None,
    stack: bool | None = None,
) -> pd.DataFrame:
    """Do the cells of a study that are left to do.

    On a CPU each is done in a worker process of one thread. On a GPU this process trains those that go
    together as one, and workers score them.

    Args:
        study: checked whole before anything starts.
        out: the result folder; made if need be.
        rerun: ``missing`` does the cells that have no result or failed, and adds scores that a finished
            one lacks; ``never`` does only the cells that have no record at all; ``always`` does all of
            them again, and moves the old results to ``superseded/``.
        command: what the user typed, for the records; made up from the study where empty.
        watcher: told what happens.
        workers: processes; None takes one per core that is free, 0 stays in this process.
        stack: train cells that go together as one; None does so on a GPU, as on a CPU it is slower.

    Returns:
        One row per cell of this study, as :func:`dis_bench.read_results` gives them.

    Raises:
        InputError: something that the user gave cannot be used; nothing was started.
        KeyboardInterrupt: after a clean stop; what was finished is in the store.
    """
    if rerun not in RERUN:
        raise unknown("rerun", rerun, RERUN)
    plan = study.plan()
    store = Store(out)
    store.check_writable()
    jobs = choose_jobs(plan, store, rerun)
    watcher = watcher or Watcher()
    watcher.start(jobs, done=len(plan.cells) - len(jobs))
    try:
        if jobs:
            pipeline = build_pipeline(plan, store, as_utf8(command or f"dis_bench.{study!r}"))
            stacked = plan.device == "cuda" if stack is None else stack
            if workers is None:  # a core is left for this process where it trains
                workers = max(1, min(len(jobs), count_cores() - stacked)) if can_start_workers() else 0
            run = run_stacks if stacked else run_jobs
            for job, record in run(jobs, pipeline, workers=workers, watch=watcher.event):
                watcher.finish(job.cell, record)
    finally:
        watcher.close()
        store.clean_up()
    keep_anchors(plan, store)
    records = [record for cell in plan.cells if (record := store.find(cell)) is not None]
    return tabulate(records)


def choose_jobs(plan: Plan, store: Store, rerun: str) -> list[Job]:
    """What is left to do of a plan, by the rule that ``rerun`` names."""
    jobs = []
    for cell in plan.cells:
        record = None if rerun == "always" else store.find(cell)
        if record is None or (rerun == "missing" and record["status"] == "failed"):
            jobs.append(Job(cell, again=rerun == "always"))
        elif rerun == "missing" and lacking_metrics(record, plan.metrics):
            # Without its codes a finished cell must be trained again to be scored.
            has_codes = (store.folder(cell) / "codes.npz").exists()
            jobs.append(Job(cell, scores_only=has_codes, again=not has_codes))
    return jobs


def build_pipeline(plan: Plan, store: Store, command: str) -> Pipeline:
    """What each worker needs; the datasets' tables in shared memory, so that workers hold them once."""
    for dataset in plan.datasets.values():
        dataset.share_memory()
    return Pipeline(store, plan.datasets, plan.models, plan.metrics, plan.device, command)


def count_trainers(device: str, jobs: int) -> int:
    """How many cells or stacks are trained at a time: one per core on a CPU, one on a GPU."""
    return 1 if device == "cuda" else max(1, min(jobs, count_cores()))


@dataclass(frozen=True)
class Estimate:
    """What a study would cost here: seconds of training on so many workers, from a few steps measured.

    A step is one model's; of a stack it is that cell's share.
    """

    train_seconds: float
    step_seconds: float
    workers: int


@neutral(warn=True)
def estimate(plan: Plan, jobs: Sequence[Job], steps: int = 8) -> Estimate:
    """Measure a few steps of the first job of each kind, and reckon what all the jobs would take."""
    pipeline = Pipeline(Store("."), plan.datasets, plan.models, plan.metrics, plan.device, command="")
    to_train = [job for job in jobs if not job.scores_only]
    if plan.device == "cuda":
        measured = [(group, _measure_group(group, pipeline, steps)) for group in group_jobs(to_train)]
    else:
        kinds: dict[tuple[str, str], list[Job]] = {}
        for job in to_train:
            kinds.setdefault((job.cell.dataset, job.cell.model), []).append(job)
        keep_freed_memory()
        with one_thread():
            measured = [
                (kind, _measure_step(pipeline.prepare(kind[0].cell), steps)) for kind in kinds.values()
            ]
    total = sum(seconds * job.cell.steps for kind, seconds in measured for job in kind)
    workers = count_trainers(plan.device, len(jobs))
    return Estimate(total / workers, max((seconds for _, seconds in measured), default=0.0), workers)


def _measure_step(ready: ReadyCell, steps: int) -> float:
    """Seconds of a step of a cell that is trained alone."""
    times: list[float] = []
    ready.train(Path(os.devnull), lambda _: times.append(time.perf_counter()), steps)
    gaps = sorted(late - early for early, late in pairwise(times))
    return gaps[len(gaps) // 2]


def _measure_group(group: Sequence[Job], pipeline: Pipeline, steps: int) -> float:
    """Seconds of a step of one cell, in a stack where it would be trained in one."""
    if is_stackable(group, pipeline):
        try:
            choice = choose_stacks(group, pipeline)
            stack = [pipeline.prepare(job.cell) for job in split_group(group, choice.cells)[0]]
            return 1 / measure_stack(stack, choice.way, steps, choice.capture).rate
        except Exception:  # then they are trained one by one too
            check_device(pipeline.device)
    return _measure_step(pipeline.prepare(group[0].cell), steps)
