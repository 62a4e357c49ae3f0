"""Compare the CPU time of our boosted trees with scikit-learn's: a Markdown table.

    python benchmarks/boosting.py                                    # about a minute
    python benchmarks/boosting.py --case A_vae_like --rows 10000     # DCI's own size: minutes
    python benchmarks/boosting.py --json boosting.json

Both fit the same rows of a case of tests/metrics with the same settings, factor by factor in turn; times are
CPU times of the process. Compilation is timed separately, in new processes: a first call with an empty cache,
and with a full one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "metrics"))

from cases import CASES, load_case
from sklearn.ensemble import GradientBoostingClassifier
from tqdm import tqdm

from dis_bench.metrics.dci import completeness, disentanglement
from dis_bench.metrics.estimators.boosting import BoostedFit, fit_boosted_trees

TEST_ROWS = 5_000
FIRST_CALL = """
import time
begin = time.perf_counter()
import numpy as np
from dis_bench.metrics.estimators.boosting import fit_boosted_trees
codes = np.eye(3)
fit_boosted_trees(codes, np.arange(3), codes, np.arange(3), stages=1)
print(time.perf_counter() - begin)
"""


def compare(case: str, rows: int) -> dict[str, Any]:
    """Fit every factor of a case with both, and return CPU seconds and DCI."""
    codes, factors = load_case(case)
    test = slice(len(codes) - TEST_ROWS, None)
    fits: dict[str, list[BoostedFit]] = {"ours": [], "sklearn": []}
    seconds: dict[str, list[float]] = {"ours": [], "sklearn": []}
    fit_boosted_trees(codes[:9], np.arange(9), codes[:9], np.arange(9), stages=1)  # compiles
    for factor in tqdm(factors.T, "fit", unit="factor", leave=False, disable=None):
        data = codes[:rows], factor[:rows], codes[test], factor[test]
        for name, function in (("ours", fit_boosted_trees), ("sklearn", fit_sklearn)):
            fit, spent = time_cpu(function, *data)
            fits[name].append(fit)
            seconds[name].append(spent)
    return {
        "case": case,
        "rows": rows,
        "cpu_seconds": seconds,
        "ratio": sum(seconds["sklearn"]) / sum(seconds["ours"]),
        "scores": {name: scores(fits[name]) for name in fits},
        "largest_importance_difference": max(
            float(np.abs(a.importances - b.importances).max())
            for a, b in zip(fits["ours"], fits["sklearn"], strict=True)
        ),
    }


def fit_sklearn(
    codes_train: np.ndarray, labels_train: np.ndarray, codes_test: np.ndarray, labels_test: np.ndarray
) -> BoostedFit:
    """Fit as :func:`fit_boosted_trees` does, but with scikit-learn at its defaults."""
    model = GradientBoostingClassifier(random_state=0).fit(codes_train, labels_train)
    accuracies = model.score(codes_train, labels_train), model.score(codes_test, labels_test)
    return BoostedFit(model.feature_importances_, *accuracies)


def time_cpu(function: Callable[..., BoostedFit], *data: np.ndarray) -> tuple[BoostedFit, float]:
    """Return the function's result and its CPU seconds."""
    begin = time.process_time()
    return function(*data), time.process_time() - begin


def scores(fits: list[BoostedFit]) -> dict[str, float]:
    """Return DCI of the fits of all factors, including informativeness in training."""
    importances = np.stack([fit.importances for fit in fits], axis=1)
    return {
        "disentanglement": disentanglement(importances),
        "completeness": completeness(importances),
        "informativeness_train": float(np.mean([fit.train_accuracy for fit in fits])),
        "informativeness_test": float(np.mean([fit.test_accuracy for fit in fits])),
    }


def first_calls() -> dict[str, float]:
    """Return seconds from import to the end of a tiny fit, compiling and cached."""
    with tempfile.TemporaryDirectory() as cache:
        calls = [
            subprocess.run(
                [sys.executable, "-c", FIRST_CALL],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                check=True,
                capture_output=True,
                text=True,
            )
            for _ in range(2)
        ]
    return {name: float(call.stdout) for name, call in zip(("compiling", "cached"), calls, strict=True)}


def print_table(result: dict[str, Any]) -> None:
    columns = list(result["scores"]["ours"])
    print(f"| {result['case']}, {result['rows']} rows | CPU, s | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 2) + "|")
    for name, row in result["scores"].items():
        cells = [f"{sum(result['cpu_seconds'][name]):.2f}", *(f"{row[column]:.4f}" for column in columns)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nscikit-learn takes {result['ratio']:.1f} times the CPU time.", end=" ")
    print(f"Importances differ by at most {result['largest_importance_difference']:.4f}.")
    calls = result["first_call_seconds"]
    print(f"First call in a process: {calls['compiling']:.1f} s to compile, {calls['cached']:.1f} s cached.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case", choices=CASES, default="A_vae_like", help="representation (default: %(default)s)"
    )
    parser.add_argument(
        "--rows", type=int, default=2_000, help="training rows, up to 10000 (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    arguments = parser.parse_args()
    if not 2 <= arguments.rows <= 10_000:
        parser.error(f"argument --rows: {arguments.rows} is not between 2 and 10000")
    figures = {"first_call_seconds": first_calls(), **compare(arguments.case, arguments.rows)}
    print_table(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
