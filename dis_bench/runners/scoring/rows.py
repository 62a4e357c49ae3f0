"""The rows of a dataset that are scored, which are the same for every model."""

from __future__ import annotations

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.metrics.protocols import STUDY_ROWS

ROWS = STUDY_ROWS
SEED = 0


def draw_rows(dataset: Dataset, rows: int = ROWS) -> np.ndarray:
    """Draw the indices [N] of the scored images: all of a smaller dataset."""
    return np.random.default_rng(SEED).choice(len(dataset), size=min(rows, len(dataset)), replace=False)


def read_factors(dataset: Dataset, indices: np.ndarray) -> np.ndarray | None:
    """Return the factor classes [N, F] of images; None if they are unknown."""
    return None if dataset.known_factors is None else np.asarray(dataset.factors(indices))
