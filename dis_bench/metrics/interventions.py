"""Rows that share a factor's value, as the beta-VAE and the FactorVAE score draw them.

On a whole grid, drawing such rows is the papers' intervention on the generator: one factor is held, the
others vary. On a sample of the grid it is an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.representation import Representation

CHUNK = 2**22  # code values in memory at once: 32 MB

Positions = NDArray[np.int64]
Features = NDArray[np.float64]


class SharingRows(NamedTuple):
    """The rows that share their value of one factor with another row, sorted by value.

    Attributes:
        codes: [n, D].
        starts: [n], the first of the rows with this row's value.
        counts: [n], the number of rows with this row's value, at least 2.
    """

    codes: NDArray[np.float64]
    starts: Positions
    counts: Positions

    def draw_pairs(self, points: int, batch: int, rng: np.random.Generator) -> tuple[Positions, Positions]:
        """Draw pairs [points, batch] of two different rows with the same value.

        The first row of a pair is uniform over all rows.
        """
        first = rng.integers(len(self.codes), size=(points, batch))
        start, count = self.starts[first], self.counts[first]
        # 1 to count - 1 places further on, cyclically among the rows of the same value: never the row itself.
        return first, start + (first - start + rng.integers(1, count)) % count

    def draw_groups(self, points: int, batch: int, rng: np.random.Generator) -> Positions:
        """Draw groups [points, batch] of rows with the same value.

        The value is that of a row drawn uniformly. Rows are drawn with replacement, like images from a grid.
        """
        row = rng.integers(len(self.codes), size=(points, 1))
        return self.starts[row] + rng.integers(0, self.counts[row], size=(points, batch))


def sharing_rows(representation: Representation, factor: int) -> SharingRows:
    """Select the rows that share their value of a factor with another row.

    Raises:
        InputError: every value of the factor occurs only once.
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
    """Draw a factor per point, uniformly, and measure rows that share its value.

    Args:
        representation: codes and factors; rows are drawn from all of them.
        points: number of points.
        measure: returns the features [n, D] of n points, given the rows that share a factor's value.
        rng: draws factors and rows.

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
    """Cut the points into slices whose codes fit in memory."""
    step = max(1, CHUNK // values_per_point)
    return (slice(begin, begin + step) for begin in range(0, points, step))
