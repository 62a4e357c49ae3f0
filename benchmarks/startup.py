"""Measure how long commands take to start, and the memory of a whole study.

    python benchmarks/startup.py                    # a few minutes
    python benchmarks/startup.py --json startup.json

The output is a Markdown table. The first step of `dis-bench run` counts as done once the weights after one
step are on disk, slightly later than the step itself. Times are medians after an uncounted call that fills
the caches. Memory is the peak of a study with all its processes, from its start to its last score.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import DIS_BENCH, describe_machine, print_machine, print_table, run_command
from tqdm import trange

STUDY = ("run", "--models", "betavae", "--betas", "1", "4", "10")


def time_help() -> float:
    """Return seconds of ``dis-bench --help``."""
    begin = time.perf_counter()
    subprocess.run([*DIS_BENCH, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def has_weights(out: Path) -> bool:
    """Return True once a cell has weights; folders may be renamed while they are listed."""
    return any("weights.safetensors" in files for _, _, files in os.walk(out))


def time_first_step() -> float:
    """Return seconds from the start of ``dis-bench run`` to the first weights on disk."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"  # created by the command
        arguments = (*STUDY, "--steps", "1", "--out", str(out))
        return run_command(*arguments, until=lambda: has_weights(out)).seconds


def measure_study(steps: int, metrics: list[str]) -> tuple[float, float]:
    """Return seconds and peak memory (MB) of a study of three cells, including scores."""
    chosen = ("--metrics", *metrics) if metrics else ()
    with tempfile.TemporaryDirectory() as folder:
        return run_command(*STUDY, "--seeds", "1", "--steps", str(steps), *chosen, "--out", folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--repeats", type=int, default=5, help="counted calls of each command (default: %(default)s)")
    add("--steps", type=int, default=200, help="steps of the measured study (default: %(default)s)")
    add("--metrics", nargs="+", help="metrics of that study (default: those of `dis-bench run`)")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for what, call in (("`dis-bench --help`", time_help), ("`dis-bench run`, first step", time_first_step)):
        _first, *seconds = (
            call() for _ in trange(1 + arguments.repeats, desc=what, leave=False, disable=None)
        )
        rows.append({"command": what, "seconds": statistics.median(seconds), "memory, MB": None})
    whole, memory = measure_study(arguments.steps, arguments.metrics)
    what = f"`dis-bench run`, 3 cells of {arguments.steps} steps, to its end"
    rows.append({"command": what, "seconds": whole, "memory, MB": memory})
    machine = describe_machine("torch", "numpy")
    print_table(rows)
    print_machine(machine)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
