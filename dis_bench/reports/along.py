"""Scores along training: those of a cell's codes at some steps, and at the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dis_bench.records.columns import split_images


@dataclass(frozen=True)
class ScoreCurve:
    """The scores of one cell along its training.

    Attributes:
        step: in their order [P]; the last is the end of the training.
        scores: by column, [P]; NaN where a score is lacking. Other images than the study's sample are scored
            at the end alone, and left out.
    """

    step: np.ndarray
    scores: dict[str, np.ndarray]


def gather_score_curves(records: list[dict[str, Any]]) -> dict[str, ScoreCurve]:
    """Return the curves of cells that were scored along training, by hash."""
    return {record["hash"]: _gather(record) for record in records if record.get("scores_at")}


def _gather(record: dict[str, Any]) -> ScoreCurve:
    points = {int(step): scored["scores"] for step, scored in record["scores_at"].items()}
    points[record["cell"]["steps"]] = record["scores"]
    steps = sorted(points)
    names = dict.fromkeys(name for step in steps for name in points[step] if not split_images(name)[1])
    return ScoreCurve(
        np.array(steps),
        {name: np.array([points[step].get(name, np.nan) for step in steps]) for name in names},
    )
