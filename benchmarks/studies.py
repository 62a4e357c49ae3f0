"""Measure what the training of each named study costs, in hours of one CPU core.

    python benchmarks/studies.py                    # minutes
    python benchmarks/studies.py higgins2017 --steps 20

The output is a Markdown table, whose hours are those of the studies' files (``core_hours``). A few steps of
the first cell of each model are timed by the CPU time that they use, so that other work on the machine hardly
matters. Scores are not part of it.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace

from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench.runners.engines import sizes
from dis_bench.runners.estimate import estimate
from dis_bench.runners.job import Job
from dis_bench.runners.named import find_studies, read_about
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.study import Study, read_study_file


def measure_hours(plan: Plan, steps: int) -> float:
    """Return the CPU hours of all cells of a plan, from a few steps of each model."""
    clock, sizes.time = sizes.time, SimpleNamespace(perf_counter=time.process_time)
    try:
        cost = estimate(plan, [Job(cell) for cell in plan.cells], steps)
    finally:
        sizes.time = clock
    return cost.train_seconds * cost.workers / 3600


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("studies", nargs="*", default=[*find_studies()], metavar="NAME", help="named studies (default: all)")
    add("--steps", type=int, default=8, help="timed steps of each model (default: %(default)s)")
    arguments = parser.parse_args()
    rows = []
    for name in tqdm(arguments.studies, desc="studies"):
        plan = Study(**read_study_file(name)).plan()
        hours = measure_hours(plan, arguments.steps)
        written = read_about(name).core_hours
        rows.append(
            {"study": name, "cells": len(plan.cells), "core-hours": hours, "in the file": float(written)}
        )
    print_table(rows)
    print_machine(describe_machine("torch", "numpy"))


if __name__ == "__main__":
    main()
