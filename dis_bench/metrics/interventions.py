"""Rows that share a factor's value, drawn from a table: what the beta-VAE and the FactorVAE score compare.

On a whole grid such rows are the intervention that the papers make on the generator: one factor is held, the
others vary. On a sample of the grid they are its estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.representation import Representation

CHUNK = 2**22  # code values that are in memory at once: 32 MB

Positions = NDArray[np.int64]
Features = NDArray[np.float64]


class SharingRows(NamedTuple):
    """The rows of a table whose value of one factor occurs more than once, those of one value side by side.

    Attributes:
        codes: [n, D].
        starts: [n], where the rows with this row's value begin.
        counts: [n], how many they are, at least 2.
    """

    codes: NDArray[np.float64]
    starts: Positions
    counts: Positions

    def draw_pairs(self, points: int, batch: int, rng: np.random.Generator) -> tuple[Positions, Positions]:
        """Pairs [points, batch] of two different rows that share a value; the first row is uniform."""
        first = rng.integers(len(self.codes), size=(points, batch))
        start, count = self.starts[first], self.counts[first]
        # 1 to count - 1 places further on, round the rows of the same value: never the row itself.
        return first, start + (first - start + rng.integers(1, count)) % count

    def draw_groups(self, points: int, batch: int, rng: np.random.Generator) -> Positions:
        """Groups [points, batch] of rows that all share one value, which is that of a uniform row.

        Rows are drawn with replacement, as images are on a grid.
        """
        row = rng.integers(len(self.codes), size=(points, 1))
        return self.starts[row] + rng.integers(0, self.counts[row], size=(points, batch))


def sharing_rows(representation: Representation, factor: int) -> SharingRows:
    """The rows that share their value of a factor with another row.

    Raises:
        InputError: the values of the factor all occur once.
    """
    values = representation.factors[:, factor]
    counts = np.bincount(values)
    order = np.argsort(values, kind="stable")
    order = order[counts[values[order]] > 1]
    if order.size == 0:
        column = representation.kept_factors[factor]
        raise InputError(f"the values of factor {column} occur once each, so that no two rows share one.")
    values = values[order]
    starts = np.searchsorted(values, np.arange(len(counts)))
    return SharingRows(representation.codes[order], starts[values], counts[values])


def draw_points(
    representation: Representation,
    points: int,
    measure: Callable[[SharingRows, int, np.random.Generator], Features],
    rng: np.random.Generator,
) -> tuple[Features, NDArray[np.int64]]:
    """Points of one factor each, drawn uniformly, and what is measured on rows that share its value.

    Args:
        representation: codes and factors; all rows are drawn from.
        points: how many.
        measure: gives the features [n, D] of n points, from the rows that share a factor's value.
        rng: decides about factors and rows.

    Returns:
        Features [points, D] and factors [points].
    """
    shared_factors = rng.integers(len(representation.factor_sizes), size=points)
    features = np.empty((points, representation.codes.shape[1]))
    for factor in range(len(representation.factor_sizes)):
        chosen = np.flatnonzero(shared_factors == factor)
        features[chosen] = measure(sharing_rows(representation, factor), len(chosen), rng)
    return features, shared_factors


def chunks(points: int, values_per_point: int) -> Iterator[slice]:
    """Slices of the points, small enough to hold the codes of their rows in memory."""
    step = max(1, CHUNK // values_per_point)
    return (slice(begin, begin + step) for begin in range(0, points, step))
