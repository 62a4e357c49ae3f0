"""Running a study: which cells are left to do, doing them, and the table of all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dis_bench.errors import unknown
from dis_bench.runners.anchors import keep_anchors
from dis_bench.runners.cell import Cell
from dis_bench.runners.engine import run_jobs
from dis_bench.runners.machine import count_cores, keep_freed_memory
from dis_bench.runners.pipeline import Job, Pipeline, build_cell, lacking_metrics
from dis_bench.runners.store import Record, Store, tabulate
from dis_bench.runners.study import Plan, Study
from dis_bench.runners.training import Progress, train

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


def run_study(
    study: Study,
    out: str | Path = "results",
    *,
    rerun: str = "missing",
    command: str = "",
    watcher: Watcher | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Do the cells of a study that are left to do, each in a worker process of one thread.

    Args:
        study: checked whole before anything starts.
        out: the result folder; made if need be.
        rerun: ``missing`` does the cells that have no result or failed, and adds scores that a finished
            one lacks; ``never`` does only the cells that have no record at all; ``always`` does all of
            them again, and moves the old results to ``superseded/``.
        command: what the user typed, for the records; made up from the study where empty.
        watcher: told what happens.
        workers: processes; None takes one per core, or one for a GPU; 0 stays in this process.

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
            pipeline = build_pipeline(plan, store, command or f"dis_bench.{study!r}")
            count = count_workers(plan.device, len(jobs)) if workers is None else workers
            for job, record in run_jobs(jobs, pipeline, workers=count, watch=watcher.event):
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


def count_workers(device: str, jobs: int) -> int:
    """One per core on a CPU; one where a GPU trains."""
    return 1 if device == "cuda" else max(1, min(jobs, count_cores()))


@dataclass(frozen=True)
class Estimate:
    """What a study would cost here: seconds of training on so many workers, from a few steps measured."""

    train_seconds: float
    step_seconds: float
    workers: int


def estimate(plan: Plan, jobs: Sequence[Job], steps: int = 8) -> Estimate:
    """Measure a few steps of the first job of each kind, and reckon what all the jobs would take."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        step_seconds: dict[Any, float] = {}
        total = 0.0
        for job in (job for job in jobs if not job.scores_only):
            kind = (job.cell.dataset, job.cell.model)
            if kind not in step_seconds:
                step_seconds[kind] = _measure_step(plan, job.cell, steps)
            total += job.cell.steps * step_seconds[kind]
    finally:
        torch.set_num_threads(threads)
    workers = count_workers(plan.device, len(jobs))
    return Estimate(total / workers, max(step_seconds.values(), default=0.0), workers)


def _measure_step(plan: Plan, cell: Cell, steps: int) -> float:
    import tempfile

    dataset = plan.datasets[cell.dataset].to(plan.device)
    model, networks = build_cell(cell, plan.models[cell.model], dataset.image_shape)
    times: list[float] = []

    def watch(_: Progress) -> None:
        times.append(time.perf_counter())

    with tempfile.NamedTemporaryFile("w") as log:
        train(
            model,
            networks.to(plan.device),
            dataset,
            steps=steps,
            batch_size=cell.batch_size,
            lr=cell.lr,
            seed=cell.seed,
            precision=cell.precision,
            log=Path(log.name),
            watch=watch,
        )
    gaps = sorted(late - early for early, late in pairwise(times))
    return gaps[len(gaps) // 2]
