"""Study the metrics on trained cells: agreement, sources of variance, means against samples.

    python benchmarks/metric_study.py results/reference/zoo-dsprites results/reference/betavae-dsprites
    python benchmarks/metric_study.py results/mine --samples --json mine.json --figure mine.png

The questions are those of Locatello et al. 2019 (arXiv 1811.12359, sections 5.3 and 5.4), asked of the cells
in the given folders. Cells of baselines that have no seed count once.

- Agreement: Spearman's rank correlation of every two scores over all cells, as a table and as a figure.
- Variance: the share of a score's variance over cells that their model explains, and that model and
  hyperparameters explain together; what is left is the seed.
- Samples (``--samples``): scores of codes drawn from the posterior, against those of its means. The cells
  need their codes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench.metrics import score
from dis_bench.records.codes import read_codes
from dis_bench.records.table import read_results
from dis_bench.reports.figures.agreement import draw_agreement
from dis_bench.reports.figures.theme import theme, to_pixels, to_png
from dis_bench.reports.quantities import find_quantities

LOSSES = ("reconstruction", "kl", "elbo")
METRICS = ("mig", "sap", "dci", "modularity")  # scored on samples; they read the same rows as on means


def main() -> None:
    """Print Markdown tables, and write the same numbers and a figure where they are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folders", nargs="+", help="result folders")
    add("--samples", action="store_true", help="also score codes drawn from the posterior")
    add("--json", help="file for the same numbers")
    add("--figure", help="file for a picture of the rank correlations")
    options = parser.parse_args()
    cells = pd.concat([read_results(folder) for folder in options.folders], ignore_index=True)
    cells = cells[cells["status"] == "done"].drop_duplicates("hash")
    scores = list_scores(cells)
    ranks = correlate_ranks(cells, [*scores, *LOSSES])
    figures: dict[str, Any] = {
        "cells": len(cells),
        "agreement": ranks.round(3).to_dict(),
        "variance": explain_variance(cells, [*scores, *LOSSES]),
    }
    print(f"{len(cells)} cells of {cells['model'].nunique()} models\n")
    print_table([{"": f"`{name}`", **row} for name, row in name_columns(ranks).to_dict("index").items()])
    print()
    print_table(figures["variance"])
    if options.samples:
        figures["samples"] = compare_samples(cells)
        print()
        print_table(figures["samples"])
    figures["machine"] = describe_machine("torch", "numpy", "scikit-learn")
    print_machine(figures["machine"])
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.figure:
        labels = {one.name: one.label for one in find_quantities(cells, scores)}
        with theme():
            figure = draw_agreement(ranks.rename(index=labels, columns=labels))
            Path(options.figure).write_bytes(to_png(to_pixels(figure)))


def list_scores(cells: pd.DataFrame) -> list[str]:
    """List the scores of a table, by their columns' place between status and source."""
    columns = [*cells.columns]
    between = columns[columns.index("status") + 1 : columns.index("source")]
    return [name for name in between if cells[name].nunique() > 1]


def correlate_ranks(cells: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return Spearman's rank correlation of every two columns, over the cells that have both."""
    return cells[names].corr(method="spearman")


def name_columns(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return the same table with column names in code marks."""
    return ranks.rename(columns={name: f"`{name}`" for name in ranks})


def explain_variance(cells: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """List which share of each column's variance is explained by model, dial and seed.

    A share is adjusted for the number of groups (epsilon squared, Kelley 1935): groups of three seeds would
    otherwise explain much of pure noise. Only configurations with two cells or more take part.
    """
    setting = cells.groupby(list_settings(cells), dropna=False).ngroup()
    many = cells[setting.map(setting.value_counts()) > 1]
    rows = []
    for name in names:
        column = many[name].dropna()
        model = _explain(column, many.loc[column.index, "model"])
        both = _explain(column, setting[column.index])
        rows.append({"score": f"`{name}`", "model": model, "model and dial": both, "seed": 1 - both})
    return rows


def list_settings(cells: pd.DataFrame) -> list[str]:
    """List the columns that two cells of one configuration share."""
    columns = [*cells.columns]
    return ["dataset", "model", *columns[columns.index("source") : columns.index("reconstruction")]]


def _explain(values: pd.Series, groups: pd.Series) -> float:
    """Return epsilon squared: the share of the variance between groups, without that of chance."""
    n, k = len(values), groups.nunique()
    total = ((values - values.mean()) ** 2).sum()
    within = ((values - values.groupby(groups).transform("mean")) ** 2).sum()
    if n <= k or total == 0:
        return float("nan")
    return max(0.0, 1 - (within / (n - k)) / (total / (n - 1)))


def compare_samples(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """List the scores of posterior means and samples over the cells that have posteriors."""
    rows = []
    for cell in tqdm([*cells.itertuples()], desc="samples", disable=None):
        try:
            arrays = read_codes(cell.folder)
        except FileNotFoundError:  # pixels as codes are not kept
            continue
        if "log_variances" not in arrays or "factors" not in arrays:
            continue
        rng = np.random.default_rng(0)
        noise = rng.standard_normal(arrays["codes"].shape)
        samples = arrays["codes"] + noise * np.exp(arrays["log_variances"] / 2)
        both = {
            kind: score(codes, arrays["factors"], [*METRICS], seed=None)
            for kind, codes in (("means", arrays["codes"]), ("samples", samples))
        }
        rows.append({"model": cell.model, **both})
    return [_compare(name, rows) for name in rows[0]["means"].index] if rows else []


def _compare(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison of one score."""
    means, samples = (pd.Series([row[kind][name] for row in rows]) for kind in ("means", "samples"))
    return {
        "score": f"`{name}`",
        "cells": len(rows),
        "of means": float(means.mean()),
        "of samples": float(samples.mean()),
        "largest change": float((samples - means).abs().max()),
        "rank correlation": float(means.corr(samples, method="spearman")),
    }


if __name__ == "__main__":
    main()
