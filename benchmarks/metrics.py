"""Time every metric on one representation of 15,000 rows: CPU and wall time.

    python benchmarks/metrics.py                      # a few minutes
    python benchmarks/metrics.py --sklearn            # DCI with scikit-learn at full size: many minutes more
    python benchmarks/metrics.py --json metrics.json

The output consists of Markdown tables. The cases are two of tests/metrics on the grid of dSprites: A_vae_like
with ten codes, A_rot_pairs with five. Each metric first runs once on a small table, so that imports and
compilation do not count; each call builds its own Representation. Times are medians; CPU time is that of the
process with all its threads. The last row is a single call in which noise extends the codes of a case to 100.

DCI is compared with scikit-learn's GradientBoostingClassifier, as the reference runs it, through
`dci(estimator="sklearn")`: ours, theirs and ours again, on the same rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "metrics"))

from cases import load_case
from machine import describe_machine, print_machine
from tqdm import tqdm

from dis_bench.metrics import Metric, Representation, find_metrics, score_representation
from dis_bench.metrics.checks.trial import put_on_trial
from dis_bench.metrics.dci import dci

CASES = ("A_vae_like", "A_rot_pairs")
DCI_FAMILY = ("dci", "dci_forest", "dci_lasso")
FEW_ROWS = 2_000  # in a comparison with scikit-learn that does not take minutes
ALL_ROWS = 15_000
MANY_CODES = 100


class Seconds(NamedTuple):
    """The CPU and wall seconds of a call."""

    cpu: float
    wall: float


def represent(case: str, rows: int = ALL_ROWS, least_codes: int = 0) -> Representation:
    """Return the first rows of a case with posteriors, and noise as further codes."""
    codes, factors = load_case(case)
    noise = np.random.default_rng(0).standard_normal((len(codes), max(0, least_codes - codes.shape[1])))
    codes = np.hstack([codes, noise])
    log_variances = np.full(codes.shape, -4.0)
    return Representation(codes[:rows], factors[:rows], log_variances=log_variances[:rows])


def measure(call: Callable[[], Any], repeats: int) -> Seconds:
    """Return the medians over several calls."""
    cpu, wall = [], []
    for _ in range(repeats):
        cpu_begin, wall_begin = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - cpu_begin)
        wall.append(time.perf_counter() - wall_begin)
    return Seconds(statistics.median(cpu), statistics.median(wall))


def time_metrics(metrics: dict[str, Metric], case: str, repeats: int) -> dict[str, Seconds]:
    """Time each metric in a call of its own, and sets of metrics in one call."""
    seconds = {}
    for name, metric in tqdm(metrics.items(), case, unit="metric", leave=False, disable=None):
        seconds[name] = measure(lambda metric=metric: metric.scores(represent(case)), repeats)
    for name, together in groups(metrics).items():
        seconds[f"{name}, in one call"] = measure(
            lambda together=together: score_representation(represent(case), together.values()), repeats
        )
    seconds[f"all, in one call, {MANY_CODES} codes"] = measure(
        lambda: score_representation(represent(case, least_codes=MANY_CODES), metrics.values()), repeats=1
    )
    return seconds


def groups(metrics: dict[str, Metric]) -> dict[str, dict[str, Metric]]:
    """Return the sets of metrics that are timed together, by description."""
    but_dci = {name: metric for name, metric in metrics.items() if name not in DCI_FAMILY}
    return {
        "all but DCI and `mig_sampled`": {n: metric for n, metric in but_dci.items() if not metric.needs},
        "all but DCI": but_dci,
        "all": metrics,
    }


def compare_dci(case: str, rows: int) -> dict[str, Any]:
    """Compare CPU seconds and scores of our trees and scikit-learn's.

    Two thirds of the rows are for training.
    """
    test = rows // 3
    spent: dict[str, list[float]] = {"fast": [], "sklearn": []}
    scores = {}
    for estimator in tqdm(("fast", "sklearn", "fast"), f"{case}, dci", leave=False, disable=None):
        representation = represent(case, rows)
        begin = time.process_time()
        result = dci(representation, train=rows - test, test=test, estimator=estimator)
        spent[estimator].append(time.process_time() - begin)
        scores[estimator] = result._asdict()
    cpu = {estimator: statistics.mean(times) for estimator, times in spent.items()}
    ratio = cpu["sklearn"] / cpu["fast"]
    return {"case": case, "rows": rows, "cpu_seconds": cpu, "ratio": ratio, "scores": scores}


def print_times(times: dict[str, dict[str, Seconds]]) -> None:
    """Print a row per metric and set of metrics, with two columns per case."""
    heads = [f"{case}, {kind} s" for case in times for kind in Seconds._fields]
    print(f"| metric | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    for name in next(iter(times.values())):
        cells = [f"{value:.2f}" for seconds in times.values() for value in seconds[name]]
        print(f"| {f'`{name}`' if ' ' not in name else name} | {' | '.join(cells)} |")


def print_comparisons(comparisons: list[dict[str, Any]]) -> None:
    """Print a row per comparison of our trees with scikit-learn's."""
    print("\n| DCI | ours, CPU s | scikit-learn, CPU s | ratio | D | C | I |\n|---|---|---|---|---|---|---|")
    for one in comparisons:
        cpu, fast, sklearn = one["cpu_seconds"], one["scores"]["fast"], one["scores"]["sklearn"]
        scores = " | ".join(f"{fast[key]:.4f} / {sklearn[key]:.4f}" for key in fast)
        print(
            f"| {one['case']}, {one['rows']:,} rows | {cpu['fast']:.2f} | {cpu['sklearn']:.1f} "
            f"| {one['ratio']:.1f} | {scores} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="calls per figure (default: %(default)s)")
    parser.add_argument("--sklearn", action="store_true", help="scikit-learn's DCI at full size as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    arguments = parser.parse_args()
    metrics = find_metrics(given=["log_variances"])
    for metric in metrics.values():
        put_on_trial(metric)  # imports and compiles
    times = {case: time_metrics(metrics, case, arguments.repeats) for case in CASES}
    sizes = [FEW_ROWS, *([ALL_ROWS] if arguments.sklearn else [])]
    comparisons = [compare_dci(case, rows) for rows in sizes for case in CASES]
    figures: dict[str, Any] = {
        "machine": describe_machine("numpy", "scikit-learn"),
        "seconds": {case: {n: s._asdict() for n, s in times[case].items()} for case in times},
        "dci": comparisons,
    }
    print_times(times)
    print_comparisons(comparisons)
    print_machine(figures["machine"])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
