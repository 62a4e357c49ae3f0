"""Measure what a cell costs on a Ray cluster beside this machine, and show what a dead node does.

    python benchmarks/cluster.py                      # 12 and 48 cells, each way: some minutes
    python benchmarks/cluster.py --dead               # a study during which a node dies, as its log

Two nodes of one core are started on 127.0.0.1, so both ways have the same processors. The cells take three
steps with small networks. What a cell costs is the slope between the two numbers of cells, times two for the
two that run at a time; what is left at no cells is the start.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray then keeps the address 127.0.0.1
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as the workers of this machine

from machine import describe_machine, print_machine, print_table
from ray.cluster_utils import Cluster

from dis_bench import Study
from dis_bench.records.cell import Cell
from dis_bench.runners.run import run_study
from dis_bench.runners.training.log import Progress
from dis_bench.runners.watch import ProgressBar, Watcher

ROOT = Path(__file__).parent.parent
NODE = {"num_cpus": 1, "num_gpus": 0, "node_ip_address": "127.0.0.1", "object_store_memory": 80 << 20}
WORKERS = 2


def make_study(cells: int, steps: int = 3) -> Study:
    """Return a study of this number of cells on small images and networks."""
    return Study(
        models=["betavae"],
        betas=[1.0, 4.0],
        seeds=cells // 2,
        datasets=[f"{ROOT / 'tests' / 'tiny.py'}:Tiny"],
        network=f"{ROOT / 'tests' / 'models' / 'small.py'}:Small",
        metrics=[f"{ROOT / 'tests' / 'tiny.py'}:mean_code"],
        steps=steps,
        batch_size=4,
        latent_size=4,
        kernels="torch",
        precision="fp32",
        device="cpu",
    )


class Clock(Watcher):
    """A watcher that notes when the cells begin."""

    def start(self, jobs: Any, done: int) -> None:
        """Note the time at which nodes were checked, and cells begin."""
        self.began = time.perf_counter()


def measure(cells: int, **engine: Any) -> tuple[float, float]:
    """Return the seconds before the first cell, and those of a study in all."""
    clock, start = Clock(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_study(make_study(cells), folder, watcher=clock, **engine)
    return clock.began - start, time.perf_counter() - start


def compare(cluster: Cluster, sizes: tuple[int, int], rounds: int) -> list[dict[str, Any]]:
    """Measure both ways in turns; return a row for each, of the fastest round."""
    ways = {
        "this machine": {"workers": WORKERS},
        "Ray": {"engine": "ray", "address": cluster.address},
    }
    times: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for size in sizes:
            for name, engine in ways.items():
                times.setdefault((name, size), []).append(measure(size, **engine))
    rows = []
    for name in ways:
        few, many = (min(seconds for _, seconds in times[name, size]) for size in sizes)
        slope = (many - few) / (sizes[1] - sizes[0])
        rows.append(
            {
                "cells on": name,
                "before the first, s": min(before for size in sizes for before, _ in times[name, size]),
                f"{sizes[0]} cells, s": few,
                f"{sizes[1]} cells, s": many,
                "a cell, s": WORKERS * slope,
                "start, s": few - slope * sizes[0],
            }
        )
    return rows


class Killing(ProgressBar):
    """A progress bar that kills a node when a cell is half done."""

    def __init__(self, cluster: Cluster, node: Any, step: int) -> None:
        super().__init__()
        self._cluster, self._node, self._step = cluster, node, step

    def watch(self, news: tuple[Cell, Progress | str]) -> None:
        """Kill the node at the step, once."""
        super().watch(news)
        if self._node is not None and isinstance(news[1], Progress) and news[1].step >= self._step:
            print("(a node is killed)", flush=True)
            self._cluster.remove_node(self._node, allow_graceful=False)
            self._node = None


def lose_node(cluster: Cluster) -> None:
    """Run a study during which one of three nodes is killed, and print how its cells ended."""
    doomed = cluster.add_node(**NODE)
    steps = 2_000
    with tempfile.TemporaryDirectory() as folder:
        table = run_study(
            make_study(6, steps),
            folder,
            watcher=Killing(cluster, doomed, steps // 2),
            engine="ray",
            address=cluster.address,
            checkpoint_minutes=0.01,
        )
    print(f"{(table['status'] == 'done').sum()} of {len(table)} cells done")


def main() -> None:
    """Start the cluster, measure or show, and end it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, nargs=2, default=(12, 48), help="numbers of cells")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dead", action="store_true", help="kill a node")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    start = time.perf_counter()
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        cluster.add_node(**NODE)
        took = time.perf_counter() - start
        if args.dead:
            lose_node(cluster)
            return
        print_machine(describe_machine("torch", "ray"))
        print(f"two nodes started in {took:.1f} s")
        rows = compare(cluster, tuple(args.cells), args.rounds)
        print_table(rows)
        if args.json:
            found = {"machine": describe_machine("torch", "ray"), "cluster_seconds": took, "rows": rows}
            args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
