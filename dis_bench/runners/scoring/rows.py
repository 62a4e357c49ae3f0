"""The rows of a dataset that are scored: the same for every model of a study."""

from __future__ import annotations

import numpy as np

from dis_bench.datasets.dataset import Dataset

ROWS = 15_000  # 10,000 to train the metrics' classifiers, 5,000 to test them (Locatello et al. 2019)
SEED = 0


def draw_rows(dataset: Dataset, rows: int = ROWS) -> np.ndarray:
    """Draw the indices [N] on which everything is scored: the whole dataset where it is smaller."""
    return np.random.default_rng(SEED).choice(len(dataset), size=min(rows, len(dataset)), replace=False)
