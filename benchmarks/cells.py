"""Measure how planning, resuming, status and tables grow with the number of cells of a study.

    python benchmarks/cells.py                        # 100, 1,000 and 10,000 cells: some minutes
    python benchmarks/cells.py --cells 100 1000

The finished cells are made up, with all keys of a record but without files beside it. Times are those of the
processor, in one process. A slope is the power of the number of cells with which a time grows: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench import Study, read_results
from dis_bench.records.plans import write_plan
from dis_bench.records.record import FILE
from dis_bench.records.seal import seal
from dis_bench.records.status import read_status
from dis_bench.records.store import Store
from dis_bench.runners.plan import Plan
from dis_bench.runners.run import build_pipeline, choose_jobs, choose_shard

ROOT = Path(__file__).parent.parent
PER_BETA = 10  # seeds


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
    done = {
        "status": "done",
        "dial": "beta",
        "evaluation": {
            **{"reconstruction": 20.0, "mse": 0.01, "kl": 10.0, "elbo": -30.0, "active_latents": 2},
            "kl_per_latent": [9.0, 1.0, 0.0, 0.0],
        },
        "scores": dict.fromkeys(protocol, 0.5),
        "protocol": protocol,
        "timing": {"train_seconds": 1.0, "images_per_second": 12.0, "score_seconds": 0.1},
    }
    for cell in tqdm(plan.cells, desc="made-up cells", disable=None):
        folder = store.folder(cell)
        folder.mkdir(parents=True)
        record = {**first, **done, "hash": cell.hash, "cell": cell.identity}
        (folder / FILE).write_text(json.dumps(seal(record, folder), indent=1), encoding="utf-8")
    write_plan(store.root, plan.cells, "dis-bench run")


def measure(cells: int) -> dict[str, float]:
    """Return the seconds of each part for a study of some cells."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = function()
        seconds[name] = time.process_time() - start
        return result

    with tempfile.TemporaryDirectory(prefix="cells-") as scratch:
        store = Store(scratch)
        plan = timed("plan", make_study(cells).plan)
        timed("plan a part", lambda: choose_shard(plan, "3/8"))
        jobs = timed("find what is left, of none done", lambda: choose_jobs(plan, store, "missing"))
        timed(
            "look up each cell among all", lambda: [dict.fromkeys(plan.cells)[job.cell] for job in jobs[:1]]
        )
        fill(store, replace(plan, cells=plan.cells))
        left = timed("find what is left, of all done", lambda: choose_jobs(plan, store, "missing"))
        if left:
            raise RuntimeError(f"{len(left)} made-up cells count as not done")
        timed("status", lambda: read_status(scratch))
        timed("table", lambda: read_results(scratch))
    seconds["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return seconds


def find_slopes(sizes: Sequence[int], values: Sequence[float]) -> str:
    """Return the powers with which values grow from size to size."""
    pairs = list(zip(sizes, values, strict=True))
    return ", ".join(
        f"{math.log(max(late, 1e-9) / max(early, 1e-9)) / math.log(large / small):.2f}"
        for (small, early), (large, late) in pairwise(pairs)
    )


def main() -> None:
    """Measure each size, and print a row for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1_000, 10_000], metavar="N")
    options = parser.parse_args()
    sizes = sorted(options.cells)
    measure(min(sizes))  # imports and caches count for none
    found = [measure(size) for size in sizes]
    print_table(
        [
            {
                "seconds": name,
                **{f"{size:,} cells": costs[name] for size, costs in zip(sizes, found, strict=True)},
                "slopes": find_slopes(sizes, [costs[name] for costs in found]),
            }
            for name in found[0]
        ]
    )
    print_machine(describe_machine())


if __name__ == "__main__":
    main()
