"""Compare our metrics with disentanglement_lib's on the cases of tests/metrics.

    python benchmarks/agreement.py                 # all metrics that have a reference
    python benchmarks/agreement.py mig sap         # some of them
    python benchmarks/agreement.py --times         # seconds per metric on 15,000 rows of 10 codes, for all

The output is a Markdown table. The reference is disentanglement_lib, except for InfoMEC, where it is the
definition in latent_quantization. Metrics without random draws read the same rows as the reference. The
beta-VAE and FactorVAE scores draw their own rows and are means of three seeds; their reference is a mean of
five.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "metrics"))

from cases import CASES, load_case, reference
from tqdm import tqdm

from dis_bench.metrics import Metric, Representation, find_metrics

DRAWING = {"betavae_score", "factorvae_score"}
SEEDS = range(3)  # for metrics with random draws


def compare(metric: Metric, case: str) -> list[tuple[str, float, float | None]]:
    """Return (column, our score, the reference's or None) for a metric on one case."""
    codes, factors = load_case(case)
    if metric.name in DRAWING:
        runs = [metric.scores(Representation(codes, factors, seed=seed)) for seed in SEEDS]
    else:
        runs = [metric.scores(Representation(codes, factors, seed=None))]
    published = reference(case).get(metric.name, {})
    return [
        (column, float(np.mean([run[column] for run in runs])), published.get(key))
        for column, key in zip(metric.outputs or (), metric.keys or ("score",), strict=True)
    ]


def print_agreement(metrics: list[Metric]) -> None:
    """Print one row per case: our score, the reference's, and (the difference)."""
    columns = [column for metric in metrics for column in metric.outputs or ()]
    largest = dict.fromkeys(columns, 0.0)
    print(f"| case | {' | '.join(f'`{column}`' for column in columns)} |\n{'|---' * (len(columns) + 1)}|")
    for case in tqdm(CASES, unit="case", leave=False, disable=None):
        cells = []
        for column, ours, theirs in itertools.chain(*(compare(metric, case) for metric in metrics)):
            if theirs is None:
                cells.append(f"{ours:.4f} / none")
                continue
            cells.append(f"{ours:.4f} / {theirs:.4f} ({ours - theirs:+.4f})")
            largest[column] = max(largest[column], abs(ours - theirs))
        tqdm.write(f"| {case} | {' | '.join(cells)} |")
    print(f"| largest difference | {' | '.join(f'{difference:.6f}' for difference in largest.values())} |")


def print_times(metrics: list[Metric]) -> None:
    """Print one row per metric on ten codes, with first calls (and imports) apart."""
    print("| metric | first call, s | next call, s |\n|---|---|---|")
    for metric in metrics:
        seconds = []
        for _ in range(2):
            codes, factors = load_case("A_vae_like")
            log_variances = np.full(codes.shape, -4.0)  # for the metrics that read them
            representation = Representation(codes, factors, log_variances=log_variances)
            begin = time.perf_counter()
            metric.scores(representation)
            seconds.append(time.perf_counter() - begin)
        print(f"| `{metric.name}` | {seconds[0]:.2f} | {seconds[1]:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("metrics", nargs="*", help="names (default: all, or all with a reference)")
    parser.add_argument("--times", action="store_true", help="print times instead")
    arguments = parser.parse_args()
    chosen = list(find_metrics(arguments.metrics or None, given=["log_variances"]).values())
    if arguments.times:
        print_times(chosen)
    else:
        print_agreement([metric for metric in chosen if metric.name in reference("A_identity")])
