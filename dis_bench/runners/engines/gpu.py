"""Train cells stack by stack in this process, and score them in worker processes.

Each cell's folder is written, without scores, as soon as its stack is trained; the scores are then added from
the codes in it. If the run is killed in between, only the scoring is lost.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

import torch

from dis_bench.records.checkpoint import discard_checkpoint
from dis_bench.records.claims import Claim, ClaimLost
from dis_bench.records.schema import Record
from dis_bench.records.store import NotPlaced
from dis_bench.runners.device import check_device
from dis_bench.runners.engines.local import POLL_SECONDS, WorkerDied, Workers
from dis_bench.runners.engines.sizes import (
    LARGEST,
    Choice,
    choose_stacks,
    group_jobs,
    is_stackable,
    split_group,
)
from dis_bench.runners.job import Job, Pipeline
from dis_bench.runners.space import check_space, measure_cell
from dis_bench.runners.stages import Emit, TrainedCell, read_state, train_cells
from dis_bench.runners.training.cuda_graph import first_line

Finished = Iterator[tuple[Job, Record | None]]


def run_stacks(jobs: Sequence[Job], pipeline: Pipeline, *, workers: int, watch: Emit) -> Finished:
    """Yield (job, record) as jobs finish, with None for cells that other runs have.

    Args:
        jobs: as for :func:`dis_bench.runners.engines.local.run_jobs`.
        pipeline: does the jobs; its device trains.
        workers: number of processes that score; 0 scores in this process.
        watch: called in this process with every event of a cell.

    Raises:
        KeyboardInterrupt: the study was interrupted; the workers were stopped.
        WorkerDied: workers die as they start; the training was completed, and only scores are missing.
    """
    training = dataclasses.replace(pipeline, metrics={})
    given = {job.cell: job for job in jobs}  # what is scored are other jobs, which callers do not know
    with ScoringPool(pipeline, workers, watch) as scoring:

        def emit(event: Any) -> None:
            scoring.look()
            watch(event)

        scoring.add([job for job in jobs if job.scores_only])
        for job, record in _train(jobs, training, emit):
            if record is not None and not pipeline.is_complete(record, job.cell):
                scoring.add([Job(job.cell, scores_only=True)])
            else:
                yield job, record
            yield from ((given[job.cell], record) for job, record in scoring.take())
        yield from ((given[job.cell], record) for job, record in scoring.finish())


class ScoringPool:
    """Scoring of cells, in worker processes during training, or at once in this process.

    Args:
        pipeline: the pipeline, with the metrics to score.
        workers: number of processes; 0 scores in this process.
        watch: called in this process with every event.
    """

    def __init__(self, pipeline: Pipeline, workers: int, watch: Emit) -> None:
        # Scoring needs only the codes, neither images nor the GPU.
        self._pipeline = dataclasses.replace(pipeline, device="cpu", datasets={})
        self._watch = watch
        self._workers = Workers(self._pipeline, workers, watch) if workers else None
        self._finished: list[tuple[Job, Record | None]] = []
        self._death: WorkerDied | None = None
        self._looked = 0.0

    def add(self, jobs: Sequence[Job]) -> None:
        """Score cells as soon as workers are free."""
        if self._workers is None:
            self._finished += [(job, self._pipeline(job, self._watch)) for job in jobs]
        elif self._death is None:
            self._workers.submit(jobs)

    def look(self) -> None:
        """Forward the events of the workers, unless that was done just before.

        If no worker can be started, training continues, and the error is raised at the end.
        """
        if time.monotonic() - self._looked > POLL_SECONDS:
            self._look(seconds=0.0)

    def _look(self, seconds: float) -> None:
        self._looked = time.monotonic()
        if self._workers is None or self._death is not None:
            return
        try:
            self._finished += self._workers.collect(seconds)
        except WorkerDied as death:
            self._death = death

    def take(self) -> Finished:
        """Yield the jobs that have finished."""
        while self._finished:
            yield self._finished.pop(0)

    def finish(self) -> Finished:
        """Yield the remaining jobs as they finish.

        Raises:
            WorkerDied: workers die as they start.
        """
        yield from self.take()
        while self._workers is not None and self._workers.pending and self._death is None:
            self._look(seconds=POLL_SECONDS)
            yield from self.take()
        if self._death is not None:
            raise self._death

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._workers is not None:
            self._workers.__exit__(*exception)


def _train(jobs: Sequence[Job], pipeline: Pipeline, emit: Emit) -> Finished:
    """Train the cells of jobs, encode with them, and write their folders."""
    for group in group_jobs((job for job in jobs if not job.scores_only), pipeline):
        if is_stackable(group, pipeline):
            choice = _choose(group, pipeline)
            for stack in split_group(group, choice.cells):
                yield from _do_stack(stack, choice, pipeline, emit)
        else:
            yield from _do_one_by_one(group, pipeline, emit)


def _choose(group: Sequence[Job], pipeline: Pipeline) -> Choice:
    try:
        return choose_stacks(group, pipeline)
    except Exception as error:  # the same error will be reported in training
        check_device(pipeline.device)
        reason = f"{type(error).__name__}: {first_line(error)}"
        warnings.warn(f"stacks have {LARGEST} cells at most, unmeasured: {reason}", stacklevel=2)
        return Choice(LARGEST)


def _do_one_by_one(jobs: Sequence[Job], pipeline: Pipeline, emit: Emit) -> Finished:
    yield from _check_each(((job, pipeline(job, emit)) for job in jobs), pipeline)


def _check_each(finished: Finished, pipeline: Pipeline) -> Finished:
    """Stop at a failure that broke the device, which is not a fault of later cells."""
    for job, record in finished:
        yield job, record
        if record is not None and record["status"] == "failed":
            check_device(pipeline.device)


def _do_stack(stack: Sequence[Job], choice: Choice, pipeline: Pipeline, emit: Emit) -> Finished:
    """Train a stack of the cells that no other run has claimed or finished."""
    with ExitStack() as held:
        claimed: dict[Job, Claim] = {}
        for job in stack:
            try:
                claim = pipeline.store.claim(job.cell)
                if claim is None:
                    yield job, None
                    continue
                held.enter_context(claim)
                done = pipeline.find_done(job)
                if done is None and job.anew:
                    discard_checkpoint(claim.folder)
            except (OSError, NotPlaced, ClaimLost) as error:
                yield job, pipeline.describe_failure(job.cell, error)
                continue
            if done is None:
                claimed[job] = claim
            else:
                claim.release()
                yield job, done
        for part in _split_by_step(claimed):
            yield from _train_claimed(part, choice, pipeline, emit)


def _train_claimed(claimed: dict[Job, Claim], choice: Choice, pipeline: Pipeline, emit: Emit) -> Finished:
    """Train cells together, in halves if memory is short, or one by one if that fails."""
    trained: list[TrainedCell] = []
    stack: dict[str, Any] = {}
    too_large = False
    try:
        trained, stack = _train_together(claimed, choice, pipeline, emit)
    except torch.cuda.OutOfMemoryError:
        too_large = len(claimed) > 1
    except Exception as error:  # a plug-in's loss may not support stacks
        check_device(pipeline.device)
        names = f"{len(claimed)} cells of model {next(iter(claimed)).cell.model}"
        warnings.warn(f"{names} are trained one by one: {type(error).__name__}: {error}", stacklevel=2)
    # Only here have an exception and the memory of its stack been released.
    if trained:
        kept = (
            (job, _keep(job, one, claim, stack, pipeline, emit))
            for (job, claim), one in zip(claimed.items(), trained, strict=True)
        )
        yield from _check_each(kept, pipeline)
    elif too_large:
        pairs, half = list(claimed.items()), len(claimed) // 2
        for part in (pairs[:half], pairs[half:]):
            yield from _train_claimed(dict(part), choice, pipeline, emit)
    else:
        for claim in claimed.values():
            claim.release()
        yield from _do_one_by_one(list(claimed), pipeline, emit)


def _train_together(
    claimed: dict[Job, Claim], choice: Choice, pipeline: Pipeline, emit: Emit
) -> tuple[list[TrainedCell], dict[str, Any]]:
    """Train cells as one; return them, and the description of the stack for records."""
    trainees = [pipeline.prepare(job.cell) for job in claimed]
    check_space(pipeline.store.root, measure_cell(trainees[0]))
    manner = dataclasses.replace(pipeline.manner, way=choice.way, capture=choice.capture)
    trained = train_cells(trainees, [claim.folder for claim in claimed.values()], emit, manner)
    stack = {
        "cells": len(trained),
        "convolutions": choice.way,
        "captured": trained[0].captured,
        "measured": [str(cost) for cost in choice.measured],
    }
    return trained, stack


def _keep(
    job: Job, trained: TrainedCell, claim: Claim, stack: dict[str, Any], pipeline: Pipeline, emit: Emit
) -> Record | None:
    """Encode with a trained cell, and write its folder; None if its claim was lost."""
    try:
        return pipeline.keep(job, trained, claim, lambda what: emit((job.cell, what)), stack)
    except ClaimLost:
        return None
    except (OSError, NotPlaced) as error:
        return pipeline.describe_failure(job.cell, error)


def _split_by_step(claimed: dict[Job, Claim]) -> Iterator[dict[Job, Claim]]:
    """Yield groups of cells whose training resumes from the same step."""
    steps: dict[int, dict[Job, Claim]] = {}
    for job, claim in claimed.items():
        state = read_state(claim.folder, job.cell, warn=False)  # as the training does
        steps.setdefault(state["step"] if state else 0, {})[job] = claim
    yield from steps.values()
