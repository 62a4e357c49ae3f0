"""Follow scores along training: from when on does the order of configurations no longer change?

    python benchmarks/along.py --results results longer --csv results/benchmarks/along_dsprites.csv
    python benchmarks/along.py --figure docs/along.png

The results are those of runs with ``--score-at``. Of cells that are not finished, the codes that they have
so far are scored; of a step in several folders, the first counts. The figure draws the files ``along_*.csv``
of results/benchmarks: a row for each dataset, a thin line per seed, the mean thick as far as all seeds were
trained.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from machine import print_machine, print_table
from tqdm import tqdm

from dis_bench.metrics import score
from dis_bench.records.record import read_records

KEPT = Path(__file__).parent.parent / "results" / "benchmarks"
METRICS = ("betavae_score", "factorvae_score", "mig", "sap", "dci", "modularity")
KEYS = ["beta", "seed", "step"]
DRAWN = {"mig": "MIG", "dci_completeness": "DCI completeness", "factorvae_score": "FactorVAE score"}
TITLES = {"dsprites": "dSprites", "shapes3d": "3DShapes"}
_UNFINISHED = re.compile(r".*-beta(?P<beta>[0-9.]+)-seed(?P<seed>[0-9]+)-[0-9a-f]{12}")


def main() -> None:
    """Print the order of the configurations at each step, and write what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--results", type=Path, nargs="+", help="folders of runs with --score-at, of one dataset")
    add("--csv", type=Path, help="file for its scores")
    add("--figure", type=Path, help="file for a picture of all kept scores")
    options = parser.parse_args()
    if options.results:
        rows = [
            row
            for folder in options.results
            for row in chain(read_finished(folder), score_unfinished(folder))
        ]
        table = pd.DataFrame(rows).drop_duplicates(KEYS).sort_values(KEYS)
        table = table[[name for name in table if name.startswith((*KEYS, *METRICS))]]
        for title, compared in group_comparable(table).items():
            print(f"{title}\n")
            print_table(list_orders(compared))
        print_machine({"cells": len(table[["beta", "seed"]].drop_duplicates())})
        if options.csv:
            table.to_csv(options.csv, index=False, float_format="%.7g")
    if options.figure:
        files = sorted(KEPT.glob("along_*.csv"))
        draw({path.stem.removeprefix("along_"): pd.read_csv(path) for path in files}, options.figure)


def read_finished(results: Path) -> Iterator[dict[str, float]]:
    """Yield the scores of finished cells, at each step and at the end."""
    for record in read_records(results)[0] if any((results / "cells").glob("*")) else ():
        cell = record["cell"]
        own = {"beta": cell["hyperparameters"]["beta"], "seed": cell["seed"]}
        for step, point in record.get("scores_at", {}).items():
            yield {**own, "step": int(step), **point["scores"]}
        yield {**own, "step": cell["steps"], **record["scores"]}


def score_unfinished(results: Path) -> Iterator[dict[str, float]]:
    """Yield the scores of the codes that unfinished cells have so far."""
    files = sorted((results / "unfinished").glob("*/checkpoint-codes.*.npz"))
    for file in tqdm(files, desc="scoring", disable=None):
        name = _UNFINISHED.fullmatch(file.parent.name)
        if name is None:
            continue
        with np.load(file) as arrays:
            scores = score(arrays["codes"], arrays["factors"], [*METRICS], seed=None)
        own = {"beta": float(name["beta"]), "seed": int(name["seed"]), "step": int(file.name.split(".")[1])}
        yield {**own, **scores.to_dict()}


def group_comparable(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the steps that all cells have, and those of each seed that went on in all configurations."""
    cells = table.groupby("step")["seed"].size()
    shared = table[table["step"].isin(cells.index[cells == cells.max()])]
    groups = {f"Means of {shared['seed'].nunique()} seeds:": shared}
    for seed, own in table.groupby("seed"):
        complete = own.groupby("step").filter(lambda rows: len(rows) == table["beta"].nunique())
        if complete["step"].max() > shared["step"].max():
            groups[f"Seed {seed}:"] = complete
    return groups


def list_orders(table: pd.DataFrame) -> list[dict[str, str]]:
    """List the configurations by the mean of each score at each step, the lowest first."""
    means = table.groupby(["step", "beta"]).mean().drop(columns="seed")
    rows = []
    for name in means:
        by_step = means[name].unstack().dropna()
        orders = {
            f"{step:,}": " < ".join(f"{beta:g}" for beta in row.sort_values().index)
            for step, row in by_step.iterrows()
        }
        rows.append({"score": f"`{name}`", **orders})
    return rows


def draw(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw scores against steps: a row of panels for each dataset, a colour for each beta."""
    from dis_bench.reports.figures.theme import DialScale, label_steps, panels, theme, to_pixels, to_png

    with theme():
        figure, axes = panels(len(tables) * len(DRAWN), columns=len(DRAWN), height=2.6)
        for number, (dataset, table) in enumerate(tables.items()):
            scale = DialScale(table["beta"])
            for axis, (name, label) in zip(axes[number * len(DRAWN) :], DRAWN.items(), strict=False):
                for beta, cells in table.groupby("beta"):
                    colour = scale.colour(beta)
                    for _, cell in cells.groupby("seed"):
                        axis.plot(cell["step"], cell[name], lw=0.7, alpha=0.4, color=colour)
                    by_step = cells.groupby("step")[name]
                    mean = by_step.mean()[by_step.size() == cells["seed"].nunique()]
                    axis.plot(mean.index, mean, lw=1.8, marker="o", ms=4, color=colour, label=f"β = {beta:g}")
                axis.set(title=f"{TITLES.get(dataset, dataset)}: {label}", xlabel="training step")
                axis.set_ylim(0, 1.1 * table[name].max())
                label_steps(axis, table["step"].tolist())
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
        )
        path.write_bytes(to_png(to_pixels(figure)))


if __name__ == "__main__":
    main()
