"""Test bootstrap intervals: resamples of one table against as many fresh tables.

    python benchmarks/bootstrap.py --times 30 --metrics mig dci

The codes are those of the case ``A_vae_like`` of the tests. For each score, the table shows its value on one
table; its mean over resamples and over fresh tables of other rows; and its standard deviation over both. In
an unbiased bootstrap, the mean of the resamples equals the score; with the right width, both deviations are
equal.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dis_bench.metrics import Representation, find_metrics, score_representation
from dis_bench.metrics.bootstrap import draw_rows, resampling_blocks

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.metrics.cases import GRIDS, ROWS, standardise, vae_like


def main() -> None:
    """Print a Markdown table with one row per score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=30, help="number of resamples and of fresh tables")
    parser.add_argument("--metrics", nargs="+", default=["mig", "mig_sup", "dcimig", "jemmig", "modularity"])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    table = draw_table(rng)
    found = find_metrics(options.metrics)
    blocks = resampling_blocks(table, found, {name: metric.resolve({}) for name, metric in found.items()})
    resampled, fresh = [], []
    for _ in tqdm(range(options.times), disable=None):
        resampled.append(score_representation(table.take(draw_rows(blocks, rng)), options.metrics).values)
        fresh.append(score_representation(draw_table(rng), options.metrics).values)
    scores = score_representation(table, options.metrics).values
    print(
        "| score | value | mean of resamples | of fresh tables | deviation of resamples | of fresh tables |"
    )
    print("|---|---|---|---|---|---|")
    tables = [pd.DataFrame(values) for values in (resampled, fresh)]
    for name, value in scores.items():
        numbers = [value, *(t[name].mean() for t in tables), *(t[name].std() for t in tables)]
        print(f"| `{name}` | " + " | ".join(f"{number:.4f}" for number in numbers) + " |")


def draw_table(rng: np.random.Generator) -> Representation:
    """Draw 15,000 rows on the grid of dSprites, with codes such as a VAE's."""
    factors = rng.integers(0, GRIDS["A"], size=(ROWS, len(GRIDS["A"])))
    return Representation(vae_like(factors, standardise(factors, "A"), rng), factors)


if __name__ == "__main__":
    main()
