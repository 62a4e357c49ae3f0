"""Codes sorted and cut into bins, once for all the trees that are grown on them; sums over the bins.

No compiled function here calls one of ``regression_trees.py``, nor the other way round: numba keeps what it
compiled on disk until that one file changes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from dis_bench.compiling import compiled
from dis_bench.metrics.estimators.regression_trees import SAME_CODE

Array: TypeAlias = np.ndarray

BINS = 2  # per code, times the square root of the rows; it decides the time, not the result


class Bins(NamedTuple):
    """The training codes, sorted and cut into bins. The bins of all codes are numbered in one sequence."""

    codes: Array  # [D, N] float32
    sorted_rows: Array  # [D, N] the rows by ascending code
    bin_of: Array  # [N, D]
    first: Array  # [D + 1] code d has the bins from first[d] up to first[d + 1]
    start: Array  # [bins] a bin holds the rows sorted_rows[d, start:stop]
    stop: Array  # [bins]
    divisible: Array  # [bins] whether a bin holds codes that can be split apart


def cut_into_bins(codes: Array) -> Bins:
    """Sort each code `[D, N]`; cut it into bins of similar size, where neighbours can be split apart."""
    n_codes, n_rows = codes.shape
    most_bins = 1 + int(BINS * n_rows**0.5)
    quantiles = np.arange(1, most_bins) * n_rows // most_bins
    sorted_rows = np.argsort(codes, axis=1, kind="stable").astype(np.uint32)
    bin_of = np.empty((n_rows, n_codes), np.uint32)
    first, start, stop, divisible = [0], [], [], []
    for d in range(n_codes):
        ascending = codes[d, sorted_rows[d]]
        cuts = 1 + np.flatnonzero(ascending[1:] > ascending[:-1] + SAME_CODE)
        if len(cuts) >= most_bins:
            cuts = np.unique(cuts[np.searchsorted(cuts, quantiles).clip(max=len(cuts) - 1)])
        start.append(np.r_[0, cuts])
        stop.append(np.r_[cuts, n_rows])
        divisible.append(ascending[stop[d] - 1] > ascending[start[d]] + SAME_CODE)
        bin_of[sorted_rows[d], d] = first[d] + np.repeat(np.arange(len(cuts) + 1), stop[d] - start[d])
        first.append(first[d] + len(cuts) + 1)
    per_bin = (np.concatenate(part) for part in (start, stop, divisible))
    return Bins(codes, sorted_rows, bin_of, np.array(first), *per_bin)


@compiled(nogil=True)
def sum_in_bins(residuals: Array, bins: Bins) -> Array:
    """Sums of the positive and of the negative residuals `[T, N]` in each bin `[2, bins, T]`.

    They are the histograms of the roots of all trees of a stage, which start from the same rows. Trees are
    innermost, to add them as vectors.
    """
    n_trees, n_rows = residuals.shape
    sums = np.zeros((2, len(bins.start), n_trees))
    positive, negative = np.empty(n_trees), np.empty(n_trees)
    for row in range(n_rows):
        for t in range(n_trees):
            positive[t] = max(residuals[t, row], 0.0)
            negative[t] = min(residuals[t, row], 0.0)
        for b in bins.bin_of[row]:
            for t in range(n_trees):
                sums[0, b, t] += positive[t]
                sums[1, b, t] += negative[t]
    return sums
