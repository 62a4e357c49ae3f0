"""A study's cells trained stack by stack in this process, and scored meanwhile in worker processes.

Each cell's folder is written, without scores, as soon as its stack is trained; the scores are then added
from the codes that were kept. What a kill in between costs is only the scoring.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

import torch

from dis_bench.records.checkpoint import discard_checkpoint, read_checkpoint
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
from dis_bench.runners.stages import Emit, TrainedCell, train_cells
from dis_bench.runners.training.cuda_graph import first_line

Finished = Iterator[tuple[Job, Record | None]]


def run_stacks(jobs: Sequence[Job], pipeline: Pipeline, *, workers: int, watch: Emit) -> Finished:
    """Yield (job, record) for each job, in the order in which they finish; None where another run has it.

    Args:
        jobs: as for :func:`dis_bench.runners.engines.local.run_jobs`.
        pipeline: does them; its device trains.
        workers: processes that score; 0 scores in this process.
        watch: called here with every event of a cell.

    Raises:
        KeyboardInterrupt: after the workers were stopped.
        WorkerDied: workers end as they start; the training went on, and what is lacking is scores.
    """
    training = dataclasses.replace(pipeline, metrics={})
    with Scoring(pipeline, workers, watch) as scoring:

        def emit(event: Any) -> None:
            scoring.look()
            watch(event)

        scoring.add([job for job in jobs if job.scores_only])
        for job, record in _train(jobs, training, emit):
            if record is not None and record["status"] == "done" and pipeline.list_lacking(record, job.cell):
                scoring.add([Job(job.cell, scores_only=True)])
            else:
                yield job, record
            yield from scoring.take()
        yield from scoring.finish()


class Scoring:
    """Scores cells in worker processes beside the training, or at once in this process.

    Args:
        pipeline: with the metrics to score.
        workers: processes; 0 scores in this process.
        watch: called here with every event.
    """

    def __init__(self, pipeline: Pipeline, workers: int, watch: Emit) -> None:
        # Scoring needs the codes alone: no images, and no GPU.
        self._pipeline = dataclasses.replace(pipeline, device="cpu", datasets={})
        self._watch = watch
        self._workers = Workers(self._pipeline, workers, watch) if workers else None
        self._finished: list[tuple[Job, Record | None]] = []
        self._death: WorkerDied | None = None
        self._looked = 0.0

    def add(self, jobs: Sequence[Job]) -> None:
        """Score these cells when there is a worker for them."""
        if self._workers is None:
            self._finished += [(job, self._pipeline(job, self._watch)) for job in jobs]
        elif self._death is None:
            self._workers.submit(jobs)

    def look(self) -> None:
        """Pass on what the workers emitted, if the last look was not just now.

        If no worker can be started, that is told at the end: training goes on.
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
        """Yield what has finished."""
        while self._finished:
            yield self._finished.pop(0)

    def finish(self) -> Finished:
        """Yield the rest as it finishes.

        Raises:
            WorkerDied: workers end as they start.
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
    """Train, encode and keep what is to train."""
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
    except Exception as error:  # what is wrong with these cells shows again in training
        check_device(pipeline.device)
        reason = f"{type(error).__name__}: {first_line(error)}"
        warnings.warn(f"stacks have {LARGEST} cells at most, unmeasured: {reason}", stacklevel=2)
        return Choice(LARGEST)


def _do_one_by_one(jobs: Sequence[Job], pipeline: Pipeline, emit: Emit) -> Finished:
    yield from _check_each(((job, pipeline(job, emit)) for job in jobs), pipeline)


def _check_each(finished: Finished, pipeline: Pipeline) -> Finished:
    """Stop at a failure that broke the device: it is none of the cells that would follow."""
    for job, record in finished:
        yield job, record
        if record is not None and record["status"] == "failed":
            check_device(pipeline.device)


def _do_stack(stack: Sequence[Job], choice: Choice, pipeline: Pipeline, emit: Emit) -> Finished:
    """One stack, of the cells that no other run has and that none has done meanwhile."""
    with ExitStack() as held:
        claimed: dict[Job, Claim] = {}
        for job in stack:
            try:
                claim = pipeline.store.claim(job.cell)
                done = None if claim is None else pipeline.find_done(job)
            except (OSError, NotPlaced, ClaimLost) as error:
                yield job, pipeline.describe_failure(job.cell, error)
                continue
            if claim is not None and done is None:
                if job.anew:
                    discard_checkpoint(claim.folder)
                claimed[job] = held.enter_context(claim)
                continue
            if claim is not None:
                claim.release()
            yield job, done
        for part in _split_by_step(claimed):
            yield from _train_claimed(part, choice, pipeline, emit)


def _train_claimed(claimed: dict[Job, Claim], choice: Choice, pipeline: Pipeline, emit: Emit) -> Finished:
    """Train cells together; in halves where they are too large for the memory, or one by one."""
    trained: list[TrainedCell] = []
    stack: dict[str, Any] = {}
    too_large = False
    try:
        trained, stack = _train_together(claimed, choice, pipeline, emit)
    except torch.cuda.OutOfMemoryError:
        too_large = len(claimed) > 1
    except Exception as error:  # a plug-in's loss may not be made for stacks
        check_device(pipeline.device)
        names = f"{len(claimed)} cells of model {next(iter(claimed)).cell.model}"
        warnings.warn(f"{names} are trained one by one: {type(error).__name__}: {error}", stacklevel=2)
    # Here, and not before, an exception and the memory of its stack are gone.
    if trained:
        kept = (
            (job, _keep(one, claim, stack, pipeline, emit))
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
    """Train cells as one; return them, and what their records say of the stack."""
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
    trained: TrainedCell, claim: Claim, stack: dict[str, Any], pipeline: Pipeline, emit: Emit
) -> Record | None:
    """Encode with a trained cell, and write its folder; None if another run took it over."""
    cell = trained.trainee.cell
    try:
        return pipeline.keep(trained, claim, lambda what: emit((cell, what)), stack)
    except ClaimLost:
        return None
    except (OSError, NotPlaced) as error:
        return pipeline.describe_failure(cell, error)


def _split_by_step(claimed: dict[Job, Claim]) -> Iterator[dict[Job, Claim]]:
    """Yield the cells whose training goes on from the same step."""
    steps: dict[int, dict[Job, Claim]] = {}
    for job, claim in claimed.items():
        state = read_checkpoint(claim.folder, job.cell.hash)
        steps.setdefault(state["step"] if state else 0, {})[job] = claim
    yield from steps.values()
