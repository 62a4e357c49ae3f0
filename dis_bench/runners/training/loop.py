"""The training loop: draw batches, take steps, log measures, fit the rest at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dis_bench.neutral import neutral
from dis_bench.nn.compiled import check_available
from dis_bench.runners.device import computing
from dis_bench.runners.stopping import delaying_stops
from dis_bench.runners.training.ahead import MOST_AHEAD, drawing, split_steps
from dis_bench.runners.training.checkpoints import Checkpoints
from dis_bench.runners.training.heldout import HeldoutSample
from dis_bench.runners.training.log import Mirror, Progress, TrainingLog
from dis_bench.runners.training.steps import Training
from dis_bench.runners.training.trainee import Trainee


class Trained(NamedTuple):
    """The outcome of cells that were trained together.

    Attributes:
        failures: for each cell, the exception that failed it, or None.
        seconds: duration for all cells, including the time before checkpoints.
        captured: whether a GPU replayed the steps.
        steps: steps that were taken, including those before checkpoints.
        adapted: decisions by held-out images, for the record; empty without.
        earlier: for each cell, what computed its earlier steps if it was something else.
    """

    failures: list[Exception | None]
    seconds: float
    captured: bool
    steps: int
    adapted: dict[str, Any]
    earlier: list[list[dict[str, Any]]]


class Pauses(NamedTuple):
    """Steps after which a training pauses, without affecting its result.

    Attributes:
        steps: the steps.
        hold: called at each of them with the index of each cell, whose networks are in evaluation mode and
            fitted as after the last step; the step; and a function to call regularly, which raises if the
            training is asked to stop.
    """

    steps: Collection[int]
    hold: Callable[[int, int, Callable[[], None]], None]


@neutral()
def train(
    trainees: Sequence[Trainee],
    *,
    logs: Sequence[Path],
    watch: Callable[[int, Progress], None],
    way: str = "torch",
    capture: bool = True,
    checkpoints: Checkpoints | None = None,
    pauses: Pauses | None = None,
    mirrors: Sequence[Mirror] = (),
) -> Trained:
    """Train K cells together, in place, with Adam.

    Batches are uniform over the images of the dataset that a cell does not hold out.

    Args:
        trainees: cells of one group of :func:`dis_bench.runners.engines.sizes.group_jobs`, or a single cell.
            Their networks are left in evaluation mode.
        logs: the CSV file of each cell, with at most :data:`dis_bench.runners.training.log.LOG_ROWS` rows.
        watch: called with a cell's index and its latest step: after every step of a cell that trains alone on
            a CPU, at intervals otherwise.
        way: convolution algorithm of a stack, one of :data:`dis_bench.nn.patches.WAYS`.
        capture: whether to try to capture the step on a GPU.
        checkpoints: checkpoints to resume from and to write, or None.
        pauses: steps after which something is done with the networks, or None.
        mirrors: receivers of the rows of each cell's log, or none.

    Raises:
        KernelsFailed: compiled kernels were chosen, but cannot be compiled.
    """
    first = trainees[0]
    check_available(first.cell.kernels, first.cell.precision)
    start = time.perf_counter()
    with computing(first.cell.precision, first.cell.kernels), drawing(first.cell.seed, first.device):
        training = Training(trainees, way, capture)
        checkpoints = checkpoints or Checkpoints([None] * len(trainees), lambda number, state: None, inf)
        written = checkpoints.restore(training)
        failures: list[Exception | None] = [None] * len(trainees)
        if first.is_trained_by_steps:
            log = TrainingLog(logs, first.cell.steps, watch, training.done, written, mirrors)
            log.rates = training.list_rates
            log.sample = None if first.holdout is None else HeldoutSample(training, log.every)
            pauses = pauses or Pauses((), lambda number, step, look: None)
            _take_steps(training, log, first.cell.steps, checkpoints, pauses)
            failures = log.failures
        if training.adaptation is not None:
            training.adaptation.keep_best()
        training.give_back()
        for number, one in enumerate(trainees):
            if failures[number] is None:
                with torch.no_grad():
                    one.model.fit(one.networks, one.images)
                if not first.is_trained_by_steps:
                    watch(number, Progress(first.cell.steps, {}))
    seconds = checkpoints.seconds_before + time.perf_counter() - start - training.paused
    adapted = {} if training.adaptation is None else training.adaptation.describe(training.done)
    return Trained(failures, seconds, training.captured, training.done, adapted, checkpoints.earlier)


def _take_steps(
    training: Training, log: TrainingLog, steps: int, checkpoints: Checkpoints, pauses: Pauses
) -> None:
    most = 1 if training.alone and training.device.type == "cpu" else MOST_AHEAD
    step_bytes = 1 if most == 1 else training.step_bytes()
    spans = split_steps(training.done, steps, log.every, step_bytes, most, pauses.steps)
    ahead = training.draw_ahead(spans)
    drawn = next(ahead, None)
    with delaying_stops() as heed_stops:
        _pause(training, log, pauses, heed_stops)  # where the cells were stopped while they paused
        while drawn is not None and not log.all_failed and not _has_stopped(training):
            training.take(drawn)
            drawn = next(ahead, None)  # while the device is still at work
            assert training.running is not None
            try:
                log.report(training.done, training.running)
                heed_stops()
                _pause(training, log, pauses, heed_stops)
            except Exception:
                raise
            except BaseException:  # a request to stop, at a moment when nothing is half done
                checkpoints.write(training, log)
                raise
            if checkpoints.are_due():
                checkpoints.write(training, log)
    if checkpoints.are_worth_keeping():  # the remaining stages may be interrupted
        checkpoints.write(training, log)


def _has_stopped(training: Training) -> bool:
    return training.adaptation is not None and training.adaptation.has_stopped


def _pause(training: Training, log: TrainingLog, pauses: Pauses, heed_stops: Callable[[], None]) -> None:
    """Pause if the step that was just taken is one to pause after."""
    if training.done not in pauses.steps:
        return
    start = time.perf_counter()
    training.give_back()
    try:
        for number, one in enumerate(training.trainees):
            if log.failures[number] is None:
                try:
                    with drawing(one.cell.seed, training.device), _fitted(one):
                        pauses.hold(number, training.done, heed_stops)
                except OSError as error:  # only this cell of the stack fails
                    log.failures[number] = error
    finally:
        training.go_on()
        training.paused += time.perf_counter() - start


@contextmanager
def _fitted(one: Trainee) -> Iterator[None]:
    """Fit a cell as after its last step; restore its buffers after the block."""
    before = {name: buffer.clone() for name, buffer in one.networks.named_buffers()}
    try:
        with torch.no_grad():
            one.model.fit(one.networks, one.images)
        yield
    finally:
        for name, buffer in one.networks.named_buffers():
            buffer.copy_(before[name])
