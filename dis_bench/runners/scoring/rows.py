"""The rows of a dataset that are scored: the same for every model of a study."""

from __future__ import annotations

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.metrics.protocols import STUDY_ROWS

ROWS = STUDY_ROWS
SEED = 0


def draw_rows(dataset: Dataset, rows: int = ROWS) -> np.ndarray:
    """Draw the indices [N] on which everything is scored: the whole dataset where it is smaller."""
    return np.random.default_rng(SEED).choice(len(dataset), size=min(rows, len(dataset)), replace=False)
