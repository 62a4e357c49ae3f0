"""Estimate what a study costs on this machine, from a few measured steps."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from dis_bench.bars import bar
from dis_bench.cores import count_cores
from dis_bench.neutral import neutral, one_thread
from dis_bench.nn.patches import WAYS
from dis_bench.records.store import Store
from dis_bench.runners.device import check_device, keep_freed_memory
from dis_bench.runners.engines.sizes import (
    choose_stacks,
    group_jobs,
    is_stackable,
    measure_stack,
    split_group,
)
from dis_bench.runners.job import Job, Pipeline
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.planning.plugins import check_all_images
from dis_bench.runners.training.trainee import Trainee


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a study on this machine, from a few measured steps.

    Attributes:
        train_seconds: seconds of training with this number of workers.
        step_seconds: seconds of the slowest model's step; in a stack, the share of one cell.
        workers: number of cells that are trained at the same time.
    """

    train_seconds: float
    step_seconds: float
    workers: int


@neutral(warn=True)
def estimate(plan: Plan, jobs: Sequence[Job], steps: int = 8, workers: int | None = None) -> Estimate:
    """Measure a few steps of the first job of each kind, and estimate the cost of all.

    Args:
        plan: the plan.
        jobs: its jobs that are left.
        steps: number of steps to measure.
        workers: number of worker processes; None means one per core that this process may use.
    """
    check_all_images(plan.datasets)
    pipeline = Pipeline(
        Store("."), plan.datasets, plan.models, plan.networks, plan.metrics, plan.device, "", plan.code
    )
    to_train = [job for job in jobs if not job.scores_only]
    if plan.device == "cuda":
        measured = [
            (group, _measure_group(group, pipeline, steps))
            for group in bar(group_jobs(to_train, pipeline), "estimate", unit="group")
        ]
    else:
        kinds: dict[tuple[str, str], list[Job]] = {}
        for job in to_train:
            kinds.setdefault((job.cell.dataset, job.cell.model), []).append(job)
        keep_freed_memory()
        with one_thread():
            measured = [
                (kind, _measure_step(pipeline.prepare(kind[0].cell), steps))
                for kind in bar(kinds.values(), "estimate", unit="model")
            ]
    costs = {job.cell: seconds * job.cell.steps for kind, seconds in measured for job in kind}
    most = count_cores() if workers is None else workers
    workers = 1 if plan.device == "cuda" else max(1, min(len(to_train), most))
    ends = [0.0] * workers  # each takes the next cell as soon as it is free
    for job in to_train:
        heapq.heapreplace(ends, ends[0] + costs[job.cell])
    return Estimate(max(ends), max((seconds for _, seconds in measured), default=0.0), workers)


def _measure_step(trainee: Trainee, steps: int) -> float:
    """Measure the seconds of a step of a cell that is trained alone; 0 without steps."""
    return measure_stack([trainee], WAYS[0], steps).step_seconds if trainee.is_trained_by_steps else 0.0


def _measure_group(group: Sequence[Job], pipeline: Pipeline, steps: int) -> float:
    """Measure the seconds of a cell's step, in a stack if it would be trained in one."""
    if is_stackable(group, pipeline):
        try:
            choice = choose_stacks(group, pipeline)
            stack = [pipeline.prepare(job.cell) for job in split_group(group, choice.cells)[0]]
            return 1 / measure_stack(stack, choice.way, steps, choice.capture).rate
        except Exception:  # in training, they would be trained one by one too
            check_device(pipeline.device)
    return _measure_step(pipeline.prepare(group[0].cell), steps)
