"""Measure how planning, running, resuming, status, table and report grow with the cells of a study.

    python benchmarks/cells.py --run 100 1000             # some minutes
    python benchmarks/cells.py --cells 100 1000           # nothing is trained
    python benchmarks/cells.py --cells 0 --disk results   # only what cells that were run take on the disk

The finished cells are made up, with all keys of a record but without files beside it, except those of
``--run``, which train a small model for three steps, one after the other. Times are those of the processor,
in one process, and peaks are those of all its memory. A slope is the power of the number of cells with which
a time grows: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench import Study, read_results
from dis_bench.records.plans import write_plan
from dis_bench.records.record import FILE, find_cells
from dis_bench.records.seal import seal
from dis_bench.records.status import read_status
from dis_bench.records.store import Store
from dis_bench.reports.report import build_report
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.remaining import choose_jobs, choose_shard
from dis_bench.runners.run import build_pipeline, run_study

ROOT = Path(__file__).parent.parent
PER_BETA = 10  # seeds


class Cost(NamedTuple):
    """Processor seconds of a part, and the largest memory of the process meanwhile (MB)."""

    seconds: float
    peak_mb: float


def make_study(cells: int) -> Study:
    """Return a study of this number of cells on small images and networks."""
    return Study(
        models=["betavae"],
        betas=[float(beta) for beta in range(max(1, cells // PER_BETA))],
        seeds=PER_BETA,
        datasets=[f"{ROOT / 'tests' / 'tiny.py'}:Tiny"],
        network=f"{ROOT / 'tests' / 'models' / 'small.py'}:Small",
        metrics=[f"{ROOT / 'tests' / 'tiny.py'}:mean_code"],
        steps=3,
        batch_size=4,
        latent_size=4,
        kernels="torch",
        precision="fp32",
        device="cpu",
    )


def fill(store: Store, plan: Plan) -> None:
    """Write a made-up record of each cell of a plan."""
    first = build_pipeline(plan, store, "dis-bench run").begin_record(plan.cells[0])
    [protocol] = plan.protocols.values()
    for cell in tqdm(plan.cells, desc="made-up cells", disable=None):
        beta, seed = cell.hyperparameters["beta"], cell.seed
        done = {
            "status": "done",
            "dial": "beta",
            "evaluation": {
                **{
                    "reconstruction": 20.0 + beta + seed,
                    "mse": 0.01,
                    "kl": 10.0,
                    "elbo": -30.0 - beta - seed,
                },
                **{"active_latents": 2, "kl_per_latent": [9.0, 1.0, 0.0, 0.0]},
            },
            "scores": dict.fromkeys(protocol, 0.5 + 0.001 * seed),
            "protocol": protocol,
            "timing": {"train_seconds": 1.0, "images_per_second": 12.0, "score_seconds": 0.1},
        }
        folder = store.folder(cell)
        folder.mkdir(parents=True)
        record = {**first, **done, "hash": cell.hash, "cell": cell.identity}
        (folder / FILE).write_text(json.dumps(seal(record, folder), indent=1), encoding="utf-8")
    write_plan(store.root, plan.cells, "dis-bench run")


def measure(function: Callable[[], Any]) -> tuple[Any, Cost]:
    """Return what a function returns, and its cost."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    start = time.process_time()
    result = function()
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return result, Cost(seconds, peak / 1e3)


def measure_made_up(cells: int) -> dict[str, Cost]:
    """Return the cost of each part for a study of some cells, which are made up."""
    costs: dict[str, Cost] = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        result, costs[name] = measure(function)
        return result

    with tempfile.TemporaryDirectory(prefix="cells-") as scratch:
        store, study = Store(scratch), make_study(cells)
        plan = timed("plan", study.plan)
        timed("plan a part, `--shard 3/8`", lambda: choose_shard(plan, "3/8"))
        timed("find what is left, of none done", lambda: choose_jobs(plan, store, "missing"))
        fill(store, plan)
        timed("run again, of all done", lambda: run_study(study, scratch, workers=0))
        left = timed("find what is left, of all done", lambda: choose_jobs(plan, store, "missing"))
        if left:
            raise RuntimeError(f"{len(left)} made-up cells count as not done")
        timed("`dis-bench status`", lambda: read_status(scratch))
        timed("read the table", lambda: read_results(scratch))
        timed("`dis-bench report`, without files", lambda: build_report(scratch))
    return costs


def measure_run(cells: int) -> dict[str, Cost]:
    """Return the cost of running a study of some cells, and of its report."""
    with tempfile.TemporaryDirectory(prefix="cells-") as scratch:
        _, run = measure(lambda: run_study(make_study(cells), scratch, workers=0))
        _, report = measure(lambda: build_report(scratch))
        print_table(list_files([Path(scratch)]))
        print()
    return {"run, 3 steps each": run, "`dis-bench report`, with files": report}


def list_files(roots: Sequence[Path]) -> list[dict[str, Any]]:
    """Return a row for each kind of file: its number, and its mean size (kB) over all cells of folders."""
    sizes: dict[str, list[int]] = defaultdict(list)
    cells = [folder for root in roots for folder in find_cells(root)]
    for path in (path for folder in cells for path in folder.iterdir()):
        sizes[path.name].append(path.stat().st_size)
    rows = [
        {"file": name, "cells": len(some), "kB in each": sum(some) / len(some) / 1e3}
        for name, some in sorted(sizes.items())
    ]
    without = sum(sum(some) for name, some in sizes.items() if not name.startswith("weights"))
    return [*rows, {"file": "all but weights", "cells": len(cells), "kB in each": without / len(cells) / 1e3}]


def find_slopes(sizes: Sequence[int], values: Sequence[float]) -> str:
    """Return the powers with which values grow from size to size."""
    pairs = list(zip(sizes, values, strict=True))
    return ", ".join(
        f"{math.log(max(late, 1e-9) / max(early, 1e-9)) / math.log(large / small):.2f}"
        for (small, early), (large, late) in pairwise(pairs)
    )


def tabulate(sizes: Sequence[int], found: Sequence[dict[str, Cost]]) -> list[dict[str, Any]]:
    """Return a row for each part: its seconds and peaks at each size, and their slopes."""
    return [
        {
            "": name,
            **{f"{size:,} cells, s": costs[name].seconds for size, costs in zip(sizes, found, strict=True)},
            "slopes": find_slopes(sizes, [costs[name].seconds for costs in found]),
            **{f"{size:,} cells, MB": costs[name].peak_mb for size, costs in zip(sizes, found, strict=True)},
        }
        for name in (found[0] if found else ())
    ]


def main() -> None:
    """Measure each size, and print a row for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cells", type=int, nargs="+", default=[100, 1_000, 10_000], metavar="N", help="made up; 0 for none"
    )
    parser.add_argument("--run", type=int, nargs="+", default=[], metavar="N", help="cells to run")
    parser.add_argument("--disk", type=Path, nargs="+", metavar="DIR", help="result folders to look at")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    options = parser.parse_args()
    tables: dict[str, list[dict[str, Any]]] = {}
    if options.disk:
        tables["files"] = list_files(options.disk)
    for name, function, sizes in (
        ("made up", measure_made_up, sorted(filter(None, options.cells))),
        ("run", measure_run, sorted(options.run)),
    ):
        if sizes:
            function(20)  # imports and caches count for none
            tables[name] = tabulate(sizes, [function(size) for size in sizes])
    for rows in tables.values():
        print_table(rows)
        print()
    machine = describe_machine("torch", "pandas")
    print_machine({**machine, "peak of all, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3})
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **tables}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
