"""How fast a grid trains on one device: K cells as one stack, against one cell after another in eager torch.

    python benchmarks/grid.py --json grid.json                      # on a GPU: some minutes
    python benchmarks/grid.py --precisions tf32 bf16 --dataset shapes3d --network locatello
    python benchmarks/grid.py --device cpu --cells 2 --batch 8 --steps 2 --rounds 1     # that it runs

Every system trains by the package's own functions, drawing and logging included, and is stopped when enough
steps were timed; the first steps, which warm up and capture, do not count. Systems take turns, in rounds,
forwards and backwards; figures are medians. A model-step is one model, one batch, one step of Adam. The
target is a grid of 6 betas x 50 seeds x 300,000 steps in 6 hours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench.models.patches import WAYS
from dis_bench.runners.ready import ReadyCell, prepare
from dis_bench.runners.stacked import train_stack
from dis_bench.runners.study import Plan, Study
from dis_bench.runners.training import LOG_ROWS, Progress

CELLS, STEPS, HOURS = 6 * 50, 300_000, 6.0
TARGET = CELLS * STEPS / (HOURS * 3600)  # model-steps per second
WARM_UP = 10  # steps that are not timed: they include capturing


class System(NamedTuple):
    """One way to train: ``way`` of convolving for a stack; None for one cell by itself."""

    precision: str
    cells: int
    way: str | None


class Answer(NamedTuple):
    """Seconds of a step of all the system's cells, and the GPU memory that it took, in GB."""

    seconds: float
    memory_gb: float


class Enough(Exception):
    """The steps that were to be timed are done."""


class Clock:
    """Times steps after the warm-up, and then ends the training."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.first: tuple[int, float] | None = None
        self.seconds = float("nan")

    def tick(self, progress: Progress) -> None:
        """Told of some steps; each step that it is told of is one that the device has done."""
        now = time.perf_counter()
        if self.first is None:
            if progress.step >= WARM_UP:
                self.first = progress.step, now
            return
        step, begin = self.first
        if progress.step >= step + self.steps:
            self.seconds = (now - begin) / (progress.step - step)
            raise Enough


def take_turn(system: System, plan: Plan, steps: int) -> Answer:
    """Train a system's cells until enough steps are timed."""
    on_gpu = plan.device == "cuda"
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    chosen = [cell for cell in plan.cells if cell.precision == system.precision][: system.cells]
    cells = [prepare(cell, plan.models, plan.datasets, plan.device) for cell in chosen]
    clock = Clock(steps)
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder, f"{number}.csv") for number in range(len(cells))]
        with contextlib.suppress(Enough):
            _train(system, cells, logs, clock.tick)
    return Answer(clock.seconds, torch.cuda.max_memory_reserved() / 1e9 if on_gpu else float("nan"))


def _train(
    system: System, cells: list[ReadyCell], logs: list[Path], tick: Callable[[Progress], None]
) -> None:
    if system.way is None:
        cells[0].train(logs[0], tick)
    else:
        train_stack(
            cells,
            logs=logs,
            watch=lambda number, progress: tick(progress) if number == 0 else None,
            way=system.way,
        )


def take_rounds(systems: list[System], plans: dict[str, Plan], options: argparse.Namespace) -> list[dict]:
    """All systems in turn, so many times over; a row of figures for each."""
    answers: dict[System, list[Answer]] = {system: [] for system in systems}
    failures: dict[System, str] = {}
    with tqdm(total=options.rounds * len(systems), unit="turn", leave=False, disable=None) as bar:
        for number in range(options.rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                bar.set_description_str(" ".join(map(str, system)))
                try:
                    answers[system].append(take_turn(system, plans[system.precision], options.steps))
                except torch.cuda.OutOfMemoryError:
                    failures[system] = "out of memory"
                bar.update()
    alone = {
        system.precision: statistics.median(answer.seconds for answer in answers[system])
        for system in systems
        if system.way is None
    }
    return [describe(system, answers[system], alone, failures.get(system)) for system in systems]


def describe(
    system: System, answers: list[Answer], alone: dict[str, float], failure: str | None
) -> dict[str, Any]:
    """A row of the table."""
    seconds = statistics.median(answer.seconds for answer in answers) if answers else float("nan")
    rate = system.cells / seconds
    return {
        "precision": system.precision,
        "cells": system.cells,
        "trained": "one by one" if system.way is None else f"stacked, {system.way}",
        "ms/step": 1000 * seconds,
        "model-steps/s": rate,
        "times one by one": rate * alone[system.precision],
        "hours for the grid": CELLS * STEPS / rate / 3600,
        "% of the target": 100 * rate / TARGET,
        "GPU GB": max((answer.memory_gb for answer in answers), default=float("nan")),
        "note": failure or "",
    }


def make_plans(options: argparse.Namespace) -> dict[str, Plan]:
    """The grid, by precision as chosen for the device."""
    study = {
        "betas": [1, 2, 4, 6, 8, 16],
        "seeds": -(-max(options.cells) // 6),
        "datasets": [options.dataset],
        "metrics": (),
        "network": options.network,
        "batch_size": options.batch,
        # Rows of the log as far apart as the timing needs: losses are read at each.
        "steps": LOG_ROWS * max(WARM_UP, options.steps),
        "lr": 1e-4,
        "device": options.device,
    }
    plans = [Study(precision=precision, **study).plan() for precision in options.precisions]
    return {plan.cells[0].precision: plan for plan in plans}


def main() -> None:
    """Measure, print a Markdown table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    parser.add_argument("--cells", type=int, nargs="+", default=[1, 8, 32, 100, 300], help="in a stack")
    parser.add_argument("--precisions", nargs="+", default=["auto"], help="fp32, tf32, bf16 or auto")
    parser.add_argument("--dataset", default="dsprites", help="(default: dsprites)")
    parser.add_argument("--network", default="burgess", help="(default: burgess)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (default 64)")
    parser.add_argument("--steps", type=int, default=200, help="timed in each turn (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each system (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()

    plans = make_plans(options)
    systems = [System(precision, 1, None) for precision in plans]
    systems += [
        System(precision, count, way) for precision in plans for count in options.cells for way in WAYS
    ]
    rows = take_rounds(systems, plans, options)
    device = next(iter(plans.values())).device
    machine = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        **describe_machine("torch"),
        "dataset": options.dataset,
        "network": options.network,
        "batch": options.batch,
    }
    print_table(rows)
    print_machine(machine)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
