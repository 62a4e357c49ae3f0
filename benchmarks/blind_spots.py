"""Score codes with known flaws by each metric: a table for docs/metrics.md.

    python benchmarks/blind_spots.py                 # all metrics
    python benchmarks/blind_spots.py mig sap         # some of them
    python benchmarks/blind_spots.py mig --rotations # of the factors themselves in 20 random rotations

All codes are constructed from 15,000 rows of factors on the grid of dSprites. Posteriors, for metrics that
need them, are a tenth as wide as the codes' standard deviation, and equal the prior for dead codes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "metrics"))

from cases import draw_factors, load_case, standardise
from numpy.typing import NDArray
from tqdm import tqdm

from dis_bench.metrics import score


def make_codes(factors: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
    """Make codes [N, D] by flaw; docs/metrics.md explains the names."""
    perfect = standardise(factors, "A")
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    angle = 2 * np.pi * factors[:, 2] / 40
    outlier = perfect.copy()
    outlier[0] = 100
    one_hot = np.hstack([np.eye(column.max() + 1)[column] for column in factors.T])
    return {
        "factors": perfect,
        "/1000": perfect / 1000,
        "last /100": perfect * [1, 1, 1, 1, 0.01],
        "+3": perfect + 3,
        "bent": np.exp(1.5 * perfect),
        "outlier": outlier,
        "45°": load_case("A_rot_pairs")[0],
        "rotated": perfect @ rotation,
        "twice": np.hstack([perfect, perfect]),
        "one-hot": one_hot,
        "angle": np.column_stack([perfect[:, :2], np.sin(angle), np.cos(angle), perfect[:, 3:]]),
        "digits": np.column_stack([6 * factors[:, 0] + factors[:, 1], perfect[:, 2:]]),
        "missing": perfect[:, :4],
        "noisy": load_case("A_noise05")[0],
        "+5 noise": np.hstack([perfect, rng.standard_normal((len(factors), 5))]),
        "+5 dead": np.hstack([perfect, np.zeros((len(factors), 5))]),
        "noise": rng.standard_normal((len(factors), 10)),
        "dead": np.zeros((len(factors), 10)),
    }


def make_log_variances(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make log-variances [N, D] of posteriors a tenth as wide as each code; 0 if dead."""
    deviations = np.where(np.ptp(codes, axis=0) > 0, 0.1 * codes.std(axis=0), 1.0)
    return np.tile(2 * np.log(deviations), (len(codes), 1))


def print_flaws(metrics: list[str] | None) -> None:
    """Print one row per score, with a column per flaw."""
    factors = draw_factors("A")
    scores = {}
    for flaw, codes in tqdm(make_codes(factors).items(), unit="code", leave=False, disable=None):
        scores[flaw] = score(codes, factors, metrics, log_variances=make_log_variances(codes))
    print(f"| score | {' | '.join(scores)} |\n{'|---' * (len(scores) + 1)}|")
    for name in next(iter(scores.values())).index:
        print(f"| `{name}` | {' | '.join(f'{of_flaw[name]:.3f}' for of_flaw in scores.values())} |")


def print_rotations(metrics: list[str] | None, count: int = 20) -> None:
    """Print lowest, median and highest scores of random rotations, on both grids."""
    print("| grid | score | lowest | median | highest |\n|---|---|---|---|---|")
    for grid, name in (("A", "dSprites"), ("B", "3DShapes")):
        factors = draw_factors(grid)
        perfect = standardise(factors, grid)
        scores = []
        for seed in tqdm(range(count), name, unit="rotation", leave=False, disable=None):
            matrix = np.random.default_rng(seed).standard_normal((perfect.shape[1],) * 2)
            scores.append(score(perfect @ np.linalg.qr(matrix)[0], factors, metrics))
        for metric in scores[0].index:
            quantiles = np.quantile([one[metric] for one in scores], [0, 0.5, 1])
            print(f"| {name} | `{metric}` | {' | '.join(f'{value:.3f}' for value in quantiles)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("metrics", nargs="*", help="names (default: all built-in ones)")
    parser.add_argument("--rotations", action="store_true", help="rotations of the factors only")
    arguments = parser.parse_args()
    (print_rotations if arguments.rotations else print_flaws)(arguments.metrics or None)
