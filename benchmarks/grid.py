"""Measure how fast a grid trains on one device: stacks against single cells.

    python benchmarks/grid.py --json grid.json                      # on a GPU: some minutes
    python benchmarks/grid.py --precisions tf32 bf16 --dataset shapes3d --network locatello
    python benchmarks/grid.py --device cpu --cells 2 --batch 8 --steps 2 --rounds 1     # only to see that it
    runs

K cells as one stack are compared with one cell after another in eager torch. Every system trains with the
package's own functions, including drawing and logging, and is stopped once enough steps are timed or its turn
has taken too long; the first steps, which warm up and capture, do not count. Systems take turns in rounds,
forwards and backwards; figures are medians. A system that fails gets a note instead of figures, and the
others continue; the JSON file is rewritten after each turn. A model-step is one step of Adam for one model on
one batch. The target is a grid of 6 betas x 50 seeds x 300,000 steps in 6 hours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench.nn.patches import WAYS
from dis_bench.runners.device import check_device
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.study import Study
from dis_bench.runners.training.cuda_graph import first_line
from dis_bench.runners.training.log import LOG_ROWS, Progress
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.trainee import Trainee, prepare

CELLS, STEPS, HOURS = 6 * 50, 300_000, 6.0
TARGET = CELLS * STEPS / (HOURS * 3600)  # model-steps per second
UNCAPTURED = "cannot be captured"  # the wording of the warning
WARM_UP = 10  # steps that are not timed: they include capturing


class System(NamedTuple):
    """A way to train: ``way`` is a stack's convolution algorithm, None for one cell."""

    precision: str
    cells: int
    way: str | None


class Answer(NamedTuple):
    """Seconds per step of all cells, their GPU memory in GB, and their warnings."""

    seconds: float
    memory_gb: float
    notes: tuple[str, ...]


class Enough(Exception):
    """Signal that enough steps are timed, or that the turn has taken too long."""


class Clock:
    """A clock that times steps after the warm-up, and then ends the training.

    Args:
        steps: the number of steps to time.
        limit: seconds for the whole turn; steps timed by then count.
    """

    def __init__(self, steps: int, limit: float) -> None:
        self.steps = steps
        self.end = time.perf_counter() + limit
        self.first: tuple[int, float] | None = None
        self.seconds = float("nan")

    def tick(self, progress: Progress) -> None:
        """Record progress; the device has completed every reported step."""
        now = time.perf_counter()
        if self.first is None:
            if progress.step >= WARM_UP:
                self.first = progress.step, now
        else:
            step, begin = self.first
            self.seconds = (now - begin) / (progress.step - step)
            if progress.step >= step + self.steps:
                raise Enough
        if now > self.end:
            raise Enough


def take_turn(system: System, plan: Plan, steps: int, limit: float) -> Answer:
    """Train a system's cells until enough steps are timed."""
    on_gpu = plan.device == "cuda"
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    chosen = [cell for cell in plan.cells if cell.precision == system.precision][: system.cells]
    cells = [prepare(cell, plan.models, plan.datasets, plan.device) for cell in chosen]
    clock = Clock(steps, limit)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logs = [Path(folder, f"{number}.csv") for number in range(len(cells))]
        with contextlib.suppress(Enough):
            _train(system, cells, logs, clock.tick)
    memory = torch.cuda.max_memory_reserved() / 1e9 if on_gpu else float("nan")
    return Answer(clock.seconds, memory, tuple(dict.fromkeys(str(one.message) for one in caught)))


def _train(system: System, cells: list[Trainee], logs: list[Path], tick: Callable[[Progress], None]) -> None:
    train(
        cells,
        logs=logs,
        watch=lambda number, progress: tick(progress) if number == 0 else None,
        way=system.way or "torch",
        capture=system.way is not None,
    )


def take_rounds(
    systems: list[System], plans: dict[str, Plan], options: argparse.Namespace
) -> Iterator[list[dict[str, Any]]]:
    """Run all systems in turn for some rounds; yield all rows after each turn.

    Raises:
        RuntimeError: the GPU no longer works; the rows so far were yielded.
    """
    answers: dict[System, list[Answer]] = {system: [] for system in systems}
    failures: dict[System, str] = {}
    with tqdm(total=options.rounds * len(systems), unit="turn", leave=False, disable=None) as bar:
        for number in range(options.rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                bar.set_description_str(" ".join(map(str, system)))
                plan = plans[system.precision]
                try:
                    answers[system].append(take_turn(system, plan, options.steps, options.seconds))
                except RuntimeError as error:  # covers running out of memory, and errors of cuDNN and CUDA
                    failures[system] = f"{type(error).__name__}: {first_line(error)}"
                bar.update()
                yield describe_all(answers, failures, plan.device)
                if system in failures:
                    check_device(plan.device)


def describe_all(
    answers: dict[System, list[Answer]], failures: dict[System, str], device: str
) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    alone = {
        system.precision: median_seconds(timed) for system, timed in answers.items() if system.way is None
    }
    return [
        describe(system, timed, alone[system.precision], failures.get(system), device)
        for system, timed in answers.items()
    ]


def median_seconds(answers: list[Answer]) -> float:
    """Return seconds per step; NaN if none was timed."""
    timed = [answer.seconds for answer in answers if math.isfinite(answer.seconds)]
    return statistics.median(timed) if timed else float("nan")


def describe(
    system: System, answers: list[Answer], alone: float, failure: str | None, device: str
) -> dict[str, Any]:
    """Return a row of the table; None where there is no figure."""
    seconds = median_seconds(answers)
    rate = system.cells / seconds
    notes = list(dict.fromkeys(note for answer in answers for note in answer.notes))
    captures = device == "cuda" and system.way is not None and math.isfinite(seconds)
    row = {
        "precision": system.precision,
        "cells": system.cells,
        "trained": "one by one" if system.way is None else f"stacked, {system.way}",
        "captured": "yes" if captures and not any(UNCAPTURED in note for note in notes) else "no",
        "turns": sum(math.isfinite(answer.seconds) for answer in answers),
        "ms/step": 1000 * seconds,
        "model-steps/s": rate,
        "times one by one": rate * alone,
        "hours for the grid": CELLS * STEPS / rate / 3600,
        "% of the target": 100 * rate / TARGET,
        "GPU GB": max((answer.memory_gb for answer in answers), default=float("nan")),
        "note": "; ".join(notes + ([failure] if failure else [])),
    }
    return {name: None if value != value else value for name, value in row.items()}


def make_plans(options: argparse.Namespace) -> dict[str, Plan]:
    """Return the grid's plan by precision, as resolved for the device."""
    study = {
        "betas": [1, 2, 4, 6, 8, 16],
        "seeds": -(-max(options.cells) // 6),
        "datasets": [options.dataset],
        "metrics": (),
        "network": options.network,
        "batch_size": options.batch,
        # The log's rows are as far apart as the timing requires, since each reads the losses.
        "steps": LOG_ROWS * max(WARM_UP, options.steps),
        "lr": 1e-4,
        "device": options.device,
    }
    plans = [Study(precision=precision, **study).plan() for precision in options.precisions]
    return {plan.cells[0].precision: plan for plan in plans}


def main() -> None:
    """Measure, print a Markdown table, and write the figures if requested."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    parser.add_argument("--cells", type=int, nargs="+", default=[1, 8, 32, 100, 300], help="cells per stack")
    parser.add_argument("--precisions", nargs="+", default=["auto"], help="fp32, tf32, bf16 or auto")
    parser.add_argument("--dataset", default="dsprites", help="(default: dsprites)")
    parser.add_argument("--network", default="burgess", help="(default: burgess)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (default 64)")
    parser.add_argument("--steps", type=int, default=200, help="steps timed in each turn (default 200)")
    parser.add_argument("--seconds", type=float, default=120.0, help="limit of a turn (default 120)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each system (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()

    plans = make_plans(options)
    systems = [System(precision, 1, None) for precision in plans]
    systems += [
        System(precision, count, way) for precision in plans for count in options.cells for way in WAYS
    ]
    device = next(iter(plans.values())).device
    machine = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        **describe_machine("torch"),
        "dataset": options.dataset,
        "network": options.network,
        "batch": options.batch,
    }
    rows: list[dict[str, Any]] = []
    try:
        for rows in take_rounds(systems, plans, options):
            if options.json:  # so that the figures survive, however this ends
                options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    finally:
        if rows:
            print_table(rows)
        print_machine(machine)


if __name__ == "__main__":
    main()
