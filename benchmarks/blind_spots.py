"""What each metric says of codes whose flaw is known: a Markdown table for docs/metrics.md.

    python benchmarks/blind_spots.py                 # all metrics
    python benchmarks/blind_spots.py mig sap         # some of them

All codes are made by rule from 15,000 rows of factors on the grid of dSprites. Posteriors, for metrics that
need them, are a tenth as wide as the codes spread, and the prior where codes are dead.
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
    """Codes [N, D] by what is wrong with them."""
    perfect = standardise(factors, "A")
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    angle = 2 * np.pi * factors[:, 2] / 40
    outlier = perfect.copy()
    outlier[0] = 100
    one_hot = np.hstack([np.eye(column.max() + 1)[column] for column in factors.T])
    return {
        "the factors themselves": perfect,
        "scaled by 1/1000": perfect / 1000,
        "the last scaled by 1/100": perfect * [1, 1, 1, 1, 0.01],
        "shifted by 3": perfect + 3,
        "bent: exp(1.5 z)": np.exp(1.5 * perfect),
        "one row of 100 in each": outlier,
        "45 degree rotation of two pairs": load_case("A_rot_pairs")[0],
        "random rotation of all": perfect @ rotation,
        "every code twice": np.hstack([perfect, perfect]),
        "one code per factor value": one_hot,
        "an angle as sine and cosine": np.column_stack(
            [perfect[:, :2], np.sin(angle), np.cos(angle), perfect[:, 3:]]
        ),
        "two factors as digits of one code": np.column_stack(
            [6 * factors[:, 0] + factors[:, 1], perfect[:, 2:]]
        ),
        "last factor missing": perfect[:, :4],
        "noise of half a deviation": load_case("A_noise05")[0],
        "five codes of noise besides": np.hstack([perfect, rng.standard_normal((len(factors), 5))]),
        "five dead codes besides": np.hstack([perfect, np.zeros((len(factors), 5))]),
        "ten codes of noise only": rng.standard_normal((len(factors), 10)),
        "ten dead codes only": np.zeros((len(factors), 10)),
    }


def make_log_variances(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-variances [N, D] of posteriors a tenth as wide as each code's deviation; 0 for a dead code."""
    deviations = np.where(np.ptp(codes, axis=0) > 0, 0.1 * codes.std(axis=0), 1.0)
    return np.tile(2 * np.log(deviations), (len(codes), 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("metrics", nargs="*", help="names (default: all built-in ones)")
    metrics = parser.parse_args().metrics or None
    factors = draw_factors("A")
    header_printed = False
    for flaw, codes in tqdm(make_codes(factors).items(), unit="code", leave=False, disable=None):
        scores = score(codes, factors, metrics, log_variances=make_log_variances(codes))
        if not header_printed:
            header_printed = True
            tqdm.write(f"| codes | {' | '.join(f'`{name}`' for name in scores.index)} |")
            tqdm.write("|---" * (len(scores) + 1) + "|")
        tqdm.write(f"| {flaw} | {' | '.join(f'{value:.3f}' for value in scores)} |")
