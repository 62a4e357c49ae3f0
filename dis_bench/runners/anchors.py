"""What a perfect code and noise score on the images on which a study's models are scored.

It depends on the factors of these images, on the number of codes and on the metric's protocol, not on any
model: it is computed once for each, and kept beside the results.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import Any

import numpy as np

from dis_bench.metrics import protocol
from dis_bench.metrics.anchors import anchor_scores
from dis_bench.metrics.representation import Representation
from dis_bench.runners.durable import write_whole
from dis_bench.runners.evaluation import ROWS, draw_rows
from dis_bench.runners.pipeline import SCORING_SEED
from dis_bench.runners.store import SCHEMA, Store
from dis_bench.runners.study import Plan


def keep_anchors(plan: Plan, store: Store) -> None:
    """Compute and write the anchors that the results of a study lack; a failure is a warning, no more."""
    from tqdm import tqdm

    try:
        lacking = _find_lacking(plan, store)
        for key, anchor in tqdm(lacking.items(), "anchors", unit="metric", delay=2, disable=None):
            anchor["scores"] = _score(plan, anchor)
            text = json.dumps(anchor, indent=1, allow_nan=False) + "\n"
            write_whole(store.anchors / f"{key}.json", text.encode())
    except Exception as error:  # they are an extra: the records are written, and the next run tries again
        warnings.warn(f"no anchors were kept: {type(error).__name__}: {error}", stacklevel=2)


def _find_lacking(plan: Plan, store: Store) -> dict[str, dict[str, Any]]:
    """Everything that anchors depend on, by its hash, for those that no file is there for."""
    widths = {(cell.dataset, cell.latent_size) for cell in plan.cells}
    lacking = {}
    for metric, used in protocol(plan.metrics.values()).items():
        for dataset, latent_size in sorted(widths):
            anchor = {
                "schema": SCHEMA,
                "dataset": dataset,
                "grid": list(plan.datasets[dataset].grid.sizes),
                "rows": min(ROWS, len(plan.datasets[dataset])),
                "latent_size": latent_size,
                "seed": SCORING_SEED,
                "metric": metric,
                "protocol": used,
            }
            key = hashlib.sha256(json.dumps(anchor, sort_keys=True).encode()).hexdigest()[:12]
            if not (store.anchors / f"{key}.json").exists():
                lacking[key] = anchor
    return lacking


def _score(plan: Plan, anchor: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By score, what a perfect code and noise get; nothing for a metric that cannot score them."""
    dataset = plan.datasets[anchor["dataset"]]
    factors = np.asarray(dataset.factors(draw_rows(dataset)))
    codes = np.zeros((len(factors), anchor["latent_size"]))
    representation = Representation(codes, factors, log_variances=codes, seed=SCORING_SEED)
    scores = anchor_scores(representation, plan.metrics[anchor["metric"]])
    return {name: both._asdict() for name, both in scores.items()}
