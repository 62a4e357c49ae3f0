"""Check that faster training is the same training: losses, scores and repeats.

    python benchmarks/numerics.py                                     # all three
    python benchmarks/numerics.py --parts losses
    python benchmarks/numerics.py --json numerics.json

The output consists of Markdown tables.

Losses: for some seeds, with the same initial weights, batches and noise at a learning rate of 1e-4, step by
step: our layers in fp32 against torch's own, and bf16 against fp32. The yardsticks are torch's own layers
against themselves: in channels_last, where only the order of sums differs, and with each initial weight
changed by 1e-6 of itself times a unit Gaussian.

Scores: seeds trained in fp32 and in bf16 with the quick budget, as `dis-bench run` does it; the difference
of their means in units of the spread over seeds (the root of the mean of both variances).

Repeats: the first of those seeds once more, alone: are weights and scores the same, bit for bit?
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from machine import describe_machine, print_machine, print_table
from numpy.typing import NDArray
from plain import make_trainee, replace_layers
from tqdm import tqdm

from dis_bench.records.record import read_records
from dis_bench.records.store import Store
from dis_bench.records.weights import read_weights
from dis_bench.runners.device import choose_precision, keep_freed_memory
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from dis_bench.runners.training.log import Progress
from dis_bench.runners.training.loop import train
from dis_bench.runners.watch import ProgressBar

PARTS = ("losses", "scores", "repeats")
LR, CHANGE, FAR = 1e-4, 1e-6, 1e-4


class Kind(NamedTuple):
    """A way to train the same model."""

    layers: str = "plain"
    precision: str = "fp32"
    layout: str = "contiguous_format"
    changed: bool = False


OURS, PLAIN = Kind("ours"), Kind()
PAIRS = {
    "our layers in fp32, against torch's own": (OURS, PLAIN),
    "bf16 against fp32, our layers": (OURS._replace(precision="bf16"), OURS),
    "torch's own layers, in channels_last": (PLAIN._replace(layout="channels_last"), PLAIN),
    "torch's own layers, initial weights changed": (PLAIN._replace(changed=True), PLAIN),
}


def compare_losses(setting: argparse.Namespace, precisions: list[str]) -> list[dict[str, Any]]:
    """Return relative differences of the loss over steps, one row per pair."""
    keep_freed_memory()
    torch.set_num_threads(1)
    pairs = {what: pair for what, pair in PAIRS.items() if pair[0].precision in precisions}
    kinds = sorted({kind for pair in pairs.values() for kind in pair})
    total = len(kinds) * setting.runs * setting.steps
    with tqdm(total=total, unit="step", leave=False, disable=None) as bar:
        losses = {
            kind: np.array([record_losses(kind, setting, seed, bar) for seed in range(setting.runs)])
            for kind in kinds
        }
    rows = []
    for what, (one, other) in pairs.items():
        difference = np.abs(losses[one] - losses[other]) / np.abs(losses[other])  # [runs, steps]
        means = difference.mean(1)
        near = [int(np.flatnonzero(np.append(run > FAR, True))[0]) for run in difference]
        rows.append(
            {
                "loss": what,
                "mean": f"{means.mean():.1e}",
                "means of the runs": f"{means.min():.1e} to {means.max():.1e}",
                "largest": f"{difference.max():.1e}",
                f"steps before one above {FAR:g}": f"{min(near)} to {max(near)}",
            }
        )
    return rows


def record_losses(kind: Kind, setting: argparse.Namespace, seed: int, bar: tqdm) -> NDArray[np.float64]:
    """Train and return the loss of every step; the seed decides all that is random."""
    options = {"steps": setting.steps, "batch": 64, "lr": LR, "seed": seed, "precision": kind.precision}
    trainee = make_trainee(setting.dataset, setting.network, **options)
    if kind.layers == "plain":
        replace_layers(trainee.networks, getattr(torch, kind.layout))
    if kind.changed:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in trainee.networks.parameters():
                weights *= 1 + CHANGE * torch.randn(weights.shape, generator=generator)
    losses: list[float] = []

    def watch(number: int, progress: Progress) -> None:
        losses.append(progress.measures["loss"])
        bar.update()

    with tempfile.NamedTemporaryFile() as log:
        train([trainee], logs=[Path(log.name)], watch=watch)
    return np.array(losses)


def compare_scores(tables: dict[str, pd.DataFrame], scores: Iterable[str]) -> list[dict[str, Any]]:
    """Compare fp32 and bf16 by mean and deviation over seeds, one row per quantity."""
    rows = []
    for column in ("reconstruction", "kl", *scores):
        fp32, bf16 = (tables[precision][column].astype(float) for precision in ("fp32", "bf16"))
        spread = float(np.sqrt((fp32.var() + bf16.var()) / 2))
        difference = float(bf16.mean() - fp32.mean())
        rows.append(
            {
                "": f"`{column}`",
                "fp32": f"{fp32.mean():.4g} ± {fp32.std():.2g}",
                "bf16": f"{bf16.mean():.4g} ± {bf16.std():.2g}",
                "bf16 - fp32": f"{difference:+.2g}",
                "in spreads": f"{difference / spread:+.2f}" if spread else "none",
            }
        )
    return rows


def is_repeated(study: Study, first: Path, second: Path) -> bool:
    """Return True if a study's first seed, repeated alone, gives the same results."""
    study = replace(study, seeds=1)
    run_study(study, second, watcher=ProgressBar())
    [cell] = study.plan().cells
    weights, scores = [], []
    for store in (Store(first), Store(second)):
        weights.append(read_weights(store.folder(cell)))
        record = store.find(cell)
        assert record is not None
        scores.append((record["scores"], record["evaluation"]))
    same_weights = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    return same_weights and scores[0] == scores[1]


def run_studies(setting: argparse.Namespace, precisions: list[str]) -> dict[str, Any]:
    """Run the studies for scores and repeats, as far as requested."""
    studies = {
        precision: Study(
            models=["betavae"],
            datasets=[setting.dataset],
            network=setting.network,
            seeds=setting.seeds if "scores" in setting.parts else 1,
            steps=setting.study_steps,
            metrics=setting.metrics or Study.metrics,
            precision=precision,
        )
        for precision in precisions
    }
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        tables = {p: run_study(study, out / p, watcher=ProgressBar()) for p, study in studies.items()}
        if "scores" in setting.parts and "bf16" in tables:
            records, _problems = read_records(out / "fp32")
            figures["scores"] = compare_scores(tables, records[0]["scores"])
        if "repeats" in setting.parts:
            figures["repeats"] = [
                {"precision": p, "same": "yes" if is_repeated(study, out / p, out / f"{p}, again") else "no"}
                for p, study in studies.items()
            ]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    add("--dataset", default="dsprites", help="(default: %(default)s)")
    add("--network", default="burgess", help="(default: %(default)s)")
    add("--steps", type=int, default=500, help="steps to compare losses of (default: %(default)s)")
    add("--runs", type=int, default=5, help="seeds to compare losses of (default: %(default)s)")
    add("--seeds", type=int, default=20, help="seeds to compare scores of (default: %(default)s)")
    add("--study-steps", type=int, help="steps of each such seed (default: the quick budget's)")
    add("--metrics", nargs="+", help="(default: those of `dis-bench run`)")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    setting = parser.parse_args()
    precisions = ["fp32"] if choose_precision("auto", "cpu") == "fp32" else ["fp32", "bf16"]
    figures: dict[str, Any] = {"machine": describe_machine("torch", "numpy")}
    if "losses" in setting.parts:
        figures["losses"] = compare_losses(setting, precisions)
    if set(setting.parts) - {"losses"}:
        figures |= run_studies(setting, precisions)
    for part in PARTS:
        if part in figures:
            print()
            print_table(figures[part])
    given = {name: value for name, value in vars(setting).items() if name not in ("json", "parts")}
    print_machine(figures["machine"] | given)
    if "bf16" not in precisions:
        print("This processor does not support bf16, which was left out.")
    if setting.json:
        setting.json.write_text(json.dumps(figures | {"setting": given}, indent=2) + "\n")


if __name__ == "__main__":
    main()
