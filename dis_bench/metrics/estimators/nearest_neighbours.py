"""Mutual information of a number and a class, from the distances to nearest neighbours, without bins.

The estimator is Ross's (2014): around each row lies an interval that reaches to its k-th nearest neighbour
among the rows of its own class. The fewer rows of other classes lie inside, the more the number tells. In one
dimension sorting finds the neighbours, so that no tree is needed.

References:
    B. C. Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.estimators.standardise import standardise

JITTER = 1e-10  # of a code's standard deviation; equal values need neighbours too (Kraskov et al. 2004)


def neighbour_information(
    code: NDArray[np.float64], labels: NDArray[np.int64], neighbours: int = 10
) -> float:
    """I(code; label) in nats, at least 0.

    Rows whose class has no other row are left out; where a class has fewer than ``neighbours`` others, it
    takes as many as there are.

    Args:
        code: [N], finite, values not equal in numbers: see :func:`separate_values`.
        labels: [N], from 0 up.
        neighbours: k.
    """
    from scipy.special import digamma

    counts = np.bincount(labels)
    chosen = counts[labels] > 1
    code, labels = code[chosen], labels[chosen]
    if not len(code):
        return 0.0
    order = np.lexsort((code, labels))
    code, labels = code[order], labels[order]  # each class in ascending order, one after the other
    counts = np.bincount(labels)
    k = np.minimum(neighbours, counts - 1)
    distances = _distances_within_class(code, labels, counts, k[labels])
    # Less what rounding may add, so that the neighbour at the end of the interval does not lie inside.
    inside = distances - 4 * np.finfo(float).eps * (np.abs(code) + distances)
    ascending = np.sort(code)
    closer = np.searchsorted(ascending, code + inside) - np.searchsorted(ascending, code - inside)
    per_class = counts / len(code)
    information = (
        digamma(len(code))
        + per_class[counts > 0] @ (digamma(k[counts > 0]) - digamma(counts[counts > 0]))
        - digamma(np.maximum(closer, 1)).mean()
    )
    return max(0.0, float(information))


def _distances_within_class(
    code: NDArray[np.float64], labels: NDArray[np.int64], counts: NDArray[np.int64], k: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Distance [N] to the k-th nearest neighbour of the same class, for codes in ascending order by class."""
    ends = np.cumsum(counts)[labels]
    starts = ends - counts[labels]
    rows = np.arange(len(code))
    distances = np.full(len(code), np.inf)
    # The k nearest are a run that holds the row: try each run, with 0 to k of them to the left.
    for to_the_left in range(int(k.max()) + 1):
        first, last = rows - to_the_left, rows - to_the_left + k
        fits = (to_the_left <= k) & (first >= starts) & (last < ends)
        run = rows[fits]
        reach = np.maximum(code[run] - code[first[fits]], code[last[fits]] - code[run])
        distances[run] = np.minimum(distances[run], reach)
    return distances


def separate_values(
    codes: NDArray[np.float64], generator: Callable[[str], np.random.Generator]
) -> NDArray[np.float64]:
    """Codes [N, D] at unit variance, with noise of 1e-10 that parts equal values.

    Each code has noise of its own, drawn by the order that it puts the rows in: it depends neither on the
    other codes, nor on the code's place among them, its unit or its origin, and twins stay twins.

    Args:
        codes: finite.
        generator: gives a random generator for a purpose, such as that of
            :class:`~dis_bench.metrics.representation.Representation`.
    """
    noise = np.empty(codes.shape)
    for code, of_code in zip(codes.T, noise.T, strict=True):
        ranks = np.unique(code, return_inverse=True)[1]
        order = zlib.crc32(ranks.astype("<i8").tobytes())
        of_code[:] = generator(f"equal values {order}").standard_normal(len(code))
    return standardise(codes) + JITTER * noise
