"""A study's cells trained stack by stack in this process, and scored meanwhile in worker processes.

Each cell's folder is written, without scores, as soon as its stack is trained; the scores are then added
from the codes that were kept. What a kill in between costs is only the scoring.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from dis_bench.runners.capture import first_line
from dis_bench.runners.engine import POLL_SECONDS, WorkerDied, Workers
from dis_bench.runners.machine import check_device
from dis_bench.runners.pipeline import Emit, Job, Pipeline, lacking_metrics
from dis_bench.runners.ready import ReadyCell
from dis_bench.runners.stacked import train_stack
from dis_bench.runners.stacks import LARGEST, Choice, choose_stacks, group_jobs, is_stackable, split_group
from dis_bench.runners.store import Record
from dis_bench.runners.training import Progress, TrainingDiverged

Finished = Iterator[tuple[Job, Record]]


def run_stacks(jobs: Sequence[Job], pipeline: Pipeline, *, workers: int, watch: Emit) -> Finished:
    """Yield (job, record) for each job, in the order in which they finish.

    Args:
        jobs: as for :func:`dis_bench.runners.engine.run_jobs`.
        pipeline: does them; its device trains.
        workers: processes that score; 0 scores in this process.
        watch: called here with every event of a cell.

    Raises:
        KeyboardInterrupt: after the workers were stopped.
        WorkerDied: a worker was killed; the training went on, and what is lacking is scores.
    """
    training = dataclasses.replace(pipeline, metrics={})
    with Scoring(pipeline, workers, watch) as scoring:

        def emit(event: Any) -> None:
            scoring.look()
            watch(event)

        scoring.add([job for job in jobs if job.scores_only])
        for job, record in _train(jobs, training, emit):
            if record["status"] == "done" and lacking_metrics(record, pipeline.protocols[job.cell.dataset]):
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
        self._finished: list[tuple[Job, Record]] = []
        self._death: WorkerDied | None = None
        self._looked = 0.0

    def add(self, jobs: Sequence[Job]) -> None:
        """Score these cells when there is a worker for them."""
        if self._workers is None:
            self._finished += [(job, self._pipeline(job, self._watch)) for job in jobs]
        elif self._death is None:
            try:
                self._workers.submit(jobs)
            except WorkerDied as death:
                self._death = death

    def look(self) -> None:
        """Pass on what the workers emitted, if the last look was not just now.

        A worker that died is told of at the end: training goes on.
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
            WorkerDied: a worker was killed.
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
    for group in group_jobs(job for job in jobs if not job.scores_only):
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
        if record["status"] == "failed":
            check_device(pipeline.device)


def _do_stack(stack: Sequence[Job], choice: Choice, pipeline: Pipeline, emit: Emit) -> Finished:
    """One stack; in halves where it is too large for the memory, one by one where it cannot be stacked."""
    done = {job: record for job in stack if (record := pipeline.find_done(job)) is not None}
    yield from done.items()
    stack = [job for job in stack if job not in done]
    if not stack:
        return
    trained: list[TrainedCell] = []
    too_large = False
    try:
        trained = _train_together(stack, choice, pipeline, emit)
    except torch.cuda.OutOfMemoryError:
        too_large = len(stack) > 1
    except Exception as error:  # a plug-in's loss may not be made for stacks
        check_device(pipeline.device)
        names = f"{len(stack)} cells of model {stack[0].cell.model}"
        warnings.warn(f"{names} are trained one by one: {type(error).__name__}: {error}", stacklevel=2)
    # Here, and not before, an exception and the memory of its stack are gone.
    if trained:
        yield from _check_each(((one.job, _keep(one, pipeline, emit)) for one in trained), pipeline)
    elif too_large:
        half = len(stack) // 2
        for part in (stack[:half], stack[half:]):
            yield from _do_stack(part, choice, pipeline, emit)
    else:
        yield from _do_one_by_one(stack, pipeline, emit)


@dataclass(frozen=True)
class TrainedCell:
    """A cell whose stack was trained.

    Attributes:
        job: which.
        ready: with its trained networks.
        log: the text of its training.csv.
        failure: why it failed, if it did.
        seconds: its share of what the stack took.
        stack: what the record says of it: the number of cells, the way of convolving, whether the steps were
            captured, and what that was chosen from.
    """

    job: Job
    ready: ReadyCell
    log: str
    failure: TrainingDiverged | None
    seconds: float
    stack: dict[str, Any]


def _train_together(
    stack: Sequence[Job], choice: Choice, pipeline: Pipeline, emit: Emit
) -> list[TrainedCell]:
    cells = [pipeline.prepare(job.cell) for job in stack]

    def watch(number: int, progress: Progress) -> None:
        emit((cells[number].cell, progress))

    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder, f"{number}.csv") for number in range(len(cells))]
        trained = train_stack(cells, logs=logs, watch=watch, way=choice.way, capture=choice.capture)
        texts = [log.read_text("utf-8") for log in logs]
    about = {
        "cells": len(cells),
        "convolutions": choice.way,
        "captured": trained.captured,
        "measured": [str(cost) for cost in choice.measured],
    }
    return [
        TrainedCell(job, ready, text, failure, trained.seconds / len(cells), about)
        for job, ready, text, failure in zip(stack, cells, texts, trained.failures, strict=True)
    ]


def _keep(trained: TrainedCell, pipeline: Pipeline, emit: Emit) -> Record:
    """Encode with a trained cell, and write its folder."""
    cell = trained.job.cell
    with pipeline.recording(cell) as (folder, record):
        record["environment"]["stack"] = trained.stack
        (folder / "training.csv").write_text(trained.log, "utf-8")
        if trained.failure is not None:
            raise trained.failure
        pipeline.keep(trained.ready, trained.seconds, folder, record, lambda what: emit((cell, what)))
    return record
