"""Measure how a study's cost grows: latents, batch, steps, cells, dataset, rows.

    python benchmarks/growth.py                              # a quarter of an hour
    python benchmarks/growth.py --sweeps latents cells --repeats 3
    python benchmarks/growth.py --figure docs/growth.png --json growth.json

Except for the sweep of rows, each figure belongs to a complete `dis-bench run` that trains, encodes and
scores MIG, with one cell unless cells are swept. Time per step refers to training; memory is the peak of the
command with its workers. Encoding and scoring are timed in one process with one thread, with the default
scores of `dis-bench run`. All figures are medians over the repeats. Images have 64x64 pixels, the only size
that the networks accept, so with the dataset only the channels grow.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from machine import describe_machine, print_machine, print_table, run_command
from tqdm import tqdm

PER_STEP, TRAINING, COMMAND, MEMORY = "ms per step", "training, s", "whole command, s", "peak memory, MB"
ENCODING, SCORING = "encoding, s", "scoring, s"


class Sweep(NamedTuple):
    """A quantity that grows: its values, the options for each value, and its plots."""

    label: str
    values: tuple[Any, ...]
    options: Callable[[Any], dict[str, Any]]
    draw: tuple[str, str] = (PER_STEP, MEMORY)


SWEEPS = {
    "latents": Sweep("latents", (2, 4, 8, 16, 32, 64), lambda n: {"latent-size": n}),
    "batch": Sweep("images per batch", (16, 32, 64, 128, 256), lambda n: {"batch-size": n}),
    "steps": Sweep("steps", (200, 400, 800), lambda n: {"steps": n}, (TRAINING, MEMORY)),
    "cells": Sweep(
        "cells", (1, 2, 3, 4, 6, 8), lambda n: {"betas": list(range(1, n + 1))}, (COMMAND, MEMORY)
    ),
    "datasets": Sweep("data set", ("dsprites", "shapes3d"), lambda name: {"datasets": name}),
    "rows": Sweep("rows", (2_500, 5_000, 15_000, 30_000), lambda n: {"rows": n}, (ENCODING, SCORING)),
}


def run_and_read(options: dict[str, Any], steps: int) -> dict[str, float]:
    """Run ``dis-bench run`` once and return its cost."""
    chosen = {"models": "betavae", "betas": [4], "seeds": 1, "metrics": "mig", "steps": steps} | options
    words = []
    for name, value in chosen.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    with tempfile.TemporaryDirectory() as out:
        cost = run_command("run", *words, "--out", out)
        records = [json.loads(path.read_text()) for path in Path(out).glob("cells/*/record.json")]
    # The median over records: with more cells than cores, the last may have had the machine to itself.
    training = statistics.median(record["timing"]["train_seconds"] for record in records)
    return {
        PER_STEP: 1000 * training / chosen["steps"],
        TRAINING: training,
        COMMAND: cost.seconds,
        MEMORY: cost.memory_mb,
    }


def encode_and_score(rows: int, metrics: list[str] | None) -> dict[str, float]:
    """Return the cost of encoding ``rows`` images, and of scoring their codes."""
    import torch
    from plain import make_trainee

    from dis_bench.metrics import score
    from dis_bench.runners.device import keep_freed_memory
    from dis_bench.runners.scoring.evaluation import evaluate
    from dis_bench.runners.study import Study

    keep_freed_memory()
    torch.set_num_threads(1)
    options = {"steps": 1, "batch": 64, "lr": 1e-4, "seed": 0, "precision": "fp32"}
    trainee = make_trainee("dsprites", "burgess", **options)
    trainee.networks.eval()
    evaluate(trainee, 256)  # builds tables
    begin = time.perf_counter()
    evaluation = evaluate(trainee, rows)
    encoded = time.perf_counter()
    # Fewer rows than a metric's protocol requires are scored anyway, since only the time matters.
    score(evaluation.codes, evaluation.factors, metrics or Study.metrics, allow_small=True)
    return {ENCODING: encoded - begin, SCORING: time.perf_counter() - encoded}


def measure(setting: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row per value of each sweep, with medians over the repeats."""
    rows = []
    points = [(name, value) for name in setting.sweeps for value in SWEEPS[name].values[: setting.points]]
    for name, value in tqdm(points, unit="point", leave=False, disable=None):
        options = SWEEPS[name].options(value)
        if name == "rows":
            costs = [encode_and_score(value, setting.metrics) for _ in range(1 + setting.repeats)][1:]
        else:
            costs = [run_and_read(options, setting.steps) for _ in range(setting.repeats)]
        medians = {what: statistics.median(cost[what] for cost in costs) for what in costs[0]}
        rows.append({"sweep": name, "value": value} | medians)
    return rows


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print a table of the commands, and one of encoding and scoring."""
    for with_rows in (False, True):
        some = [row for row in rows if (row["sweep"] == "rows") == with_rows]
        if some:
            print()
            print_table(some)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw two small panels for each sweep, with axes that start at zero."""
    from matplotlib.ticker import MaxNLocator

    from dis_bench.reports.figures.theme import DialScale, panels, theme, to_pixels, to_png

    sweeps = {name: [row for row in rows if row["sweep"] == name] for name in SWEEPS}
    drawn = [(name, some, what) for name, some in sweeps.items() if some for what in SWEEPS[name].draw]
    colours = [DialScale([0, 1]).colour(share) for share in (0.1, 0.6)]
    with theme():
        figure, axes = panels(len(drawn), columns=4, height=1.9)
        for number, (axis, (name, some, what)) in enumerate(zip(axes, drawn, strict=True)):
            values, heights = [row["value"] for row in some], [row[what] for row in some]
            by_name = isinstance(values[0], str)  # there is nothing between names
            style = {"marker": "o", "ls": "none" if by_name else "-", "color": colours[number % 2]}
            axis.plot(values, heights, **style)
            axis.set(title=what, xlabel=SWEEPS[name].label, ylim=(0, 1.15 * max(heights)))
            if by_name:
                axis.margins(x=0.3)
            else:
                axis.set_xlim(0, 1.07 * max(values))
                axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        path.write_bytes(to_png(to_pixels(figure)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sweeps", nargs="+", choices=SWEEPS, default=list(SWEEPS), help="sweeps to run (default: all)")
    add("--points", type=int, help="values per sweep, from the smallest (default: all)")
    add("--steps", type=int, default=200, help="steps in the other sweeps (default: %(default)s)")
    add("--repeats", type=int, default=1, help="runs of each value (default: %(default)s)")
    add("--metrics", nargs="+", help="metrics of the sweep of rows (default: those of `dis-bench run`)")
    add("--figure", type=Path, metavar="FILE.png", help="draw the figures there")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    setting = parser.parse_args()
    rows = measure(setting)
    machine = describe_machine("torch", "numpy")
    print_rows(rows)
    print_machine(machine | {"steps": setting.steps, "repeats": setting.repeats})
    if setting.figure:
        draw(rows, setting.figure)
    if setting.json:
        setting.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
