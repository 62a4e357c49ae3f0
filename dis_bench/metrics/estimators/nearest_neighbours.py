"""Mutual information of a number and a class, from nearest neighbours, without bins.

The estimator is Ross's (2014). Each row has an interval around it that extends to its k-th nearest neighbour
in its own class. The fewer rows of other classes are inside, the more information the number has about the
class. In one dimension, sorting finds the neighbours, and no tree is needed.

References:
    B. C. Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.estimators.standardise import standardise

JITTER = 1e-10  # in standard deviations of a code; separates equal values (Kraskov et al. 2004)


def neighbour_information(
    code: NDArray[np.float64], labels: NDArray[np.int64], neighbours: int = 10
) -> float:
    """Estimate I(code; label) in nats, at least 0.

    Rows that are alone in their class are left out. If a class has fewer than ``neighbours`` other rows, all
    of them are used.

    Args:
        code: [N], finite, with few equal values: see :func:`separate_values`.
        labels: [N], from 0 up.
        neighbours: the k of the estimator, at least 1.
    """
    from scipy.special import digamma

    counts = np.bincount(labels)
    chosen = counts[labels] > 1
    code, labels = code[chosen], labels[chosen]
    if not len(code):
        return 0.0
    order = np.lexsort((code, labels))
    code, labels = code[order], labels[order]  # class by class, each in ascending order
    counts = np.bincount(labels)
    k = np.minimum(neighbours, counts - 1)
    distances = _distances_within_class(code, labels, counts, k[labels])
    # Subtract the possible rounding error, so that the neighbour at the end of the interval is not inside.
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
    """Compute the distance [N] to the k-th nearest neighbour of the same class.

    Args:
        code: [N], sorted by class and then ascending.
        labels: [N], the class of each row.
        counts: the number of rows of each class.
        k: [N], for each row.
    """
    ends = np.cumsum(counts)[labels]
    starts = ends - counts[labels]
    rows = np.arange(len(code))
    distances = np.full(len(code), np.inf)
    # A row and its k nearest neighbours are consecutive: try each run, with 0 to k of them to the left.
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
    """Standardise codes [N, D], and separate equal values by noise of 1e-10.

    The noise of a code is seeded by the ranks of its values. It depends neither on other codes, nor on the
    code's position among them, its unit or its origin; equal codes get equal noise.

    Args:
        codes: [N, D], finite.
        generator: returns a random generator for a purpose, such as
            :meth:`Representation.generator <dis_bench.metrics.representation.Representation.generator>`.
    """
    noise = np.empty(codes.shape)
    for code, of_code in zip(codes.T, noise.T, strict=True):
        ranks = np.unique(code, return_inverse=True)[1]
        order = zlib.crc32(ranks.astype("<i8").tobytes())
        of_code[:] = generator(f"equal values {order}").standard_normal(len(code))
    return standardise(codes) + JITTER * noise
