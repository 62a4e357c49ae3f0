"""Anchors of a study: the scores of a perfect code and of noise on its scored images.

They depend on the factors of these images, on the number of codes and on the metric's protocol, but not on
any model. So they are computed once for each combination, and kept with the results.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np

from dis_bench.bars import bar
from dis_bench.datasets.labels import Labels
from dis_bench.metrics.anchors import anchor_scores
from dis_bench.metrics.representation import Representation
from dis_bench.records.anchors import has_anchor, write_anchor
from dis_bench.records.cell import Cell
from dis_bench.records.checks.scores import check_scores
from dis_bench.records.schema import Damaged
from dis_bench.records.store import Store
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.scoring.rows import ROWS, draw_rows
from dis_bench.runners.scoring.scores import SCORING_SEED


def keep_anchors(plan: Plan, metrics: Collection[str], store: Store) -> None:
    """Compute and write the anchors of some metrics that the results of a study lack.

    A failure only causes a warning.
    """
    try:
        for anchor in bar(_find_lacking(plan, metrics, store), "anchors", unit="metric", leave=True):
            write_anchor(store.root, anchor, _score(plan, anchor))
    except Exception as error:  # anchors are optional: the records are written, and the next run tries again
        warnings.warn(f"no anchors were kept: {type(error).__name__}: {error}", stacklevel=2)


def _find_lacking(plan: Plan, metrics: Collection[str], store: Store) -> list[dict[str, Any]]:
    """List the inputs of the anchors without a valid file."""
    widths = {(cell.dataset, cell.latent_size) for cell in plan.cells if cell.latent_size}
    identities = {cell.dataset: _identify_dataset(cell) for cell in plan.cells}
    lacking = []
    for dataset, latent_size in sorted(widths):
        factors = plan.datasets[dataset].known_factors
        for metric, used in plan.protocols[dataset].items():
            if metric not in metrics or factors is None:  # a perfect code is the factors themselves
                continue
            anchor = {
                "dataset": dataset,
                **identities[dataset],
                "grid": list(factors.sizes),
                "rows": min(ROWS, len(plan.datasets[dataset])),
                "latent_size": latent_size,
                "seed": SCORING_SEED,
                "metric": metric,
                "protocol": used,
            }
            if isinstance(factors, Labels):  # their proportions matter as well
                anchor["labels"] = factors.fingerprint
            if not has_anchor(store.root, anchor):
                lacking.append(anchor)
    return lacking


def _identify_dataset(cell: Cell) -> dict[str, str]:
    """Return what the factors of a cell's dataset depend on, beside its name."""
    return {
        "fingerprint": cell.fingerprint,
        "dataset_version": cell.dataset_version,
        "dataset_parameters": cell.dataset_parameters or "none",
    }


def _score(plan: Plan, anchor: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Score a perfect code and noise; return nothing if scores are out of range."""
    dataset = plan.datasets[anchor["dataset"]]
    factors = np.asarray(dataset.factors(draw_rows(dataset)))
    codes = np.zeros((len(factors), anchor["latent_size"]))
    representation = Representation(
        codes, factors, log_variances=codes, seed=SCORING_SEED, allow_small=plan.allow_small
    )
    metric = anchor["metric"]
    parameters = {metric: plan.parameters.get(metric, {})}
    scores = anchor_scores(representation, plan.metrics[metric], parameters)
    try:
        for side in zip(*scores.values(), strict=True):
            check_scores(dict(zip(scores, side, strict=True)), {metric: anchor["protocol"]})
    except Damaged:
        return {}
    return {name: both._asdict() for name, both in scores.items()}
