"""DCIMIG, also called 3CharM: the gap between factors of the code that keeps each factor best apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Sepliarskaia et al. 2019; codes discretised as for MIG in Locatello et al. 2019")
def dcimig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """How much of all factors sits in codes that tell little of any other factor.

    A code counts for the factor that it tells most of, by how much more it tells of it than of the next. Each
    factor takes the best of its codes, none if it has no code. Further codes of a factor neither help nor
    cost.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        bins: of equal width over each code's range.

    Returns:
        The sum of what factors take over the sum of their entropies, from 0 to 1.

    Raises:
        InputError: too few rows, or no bins.
    """
    gaps = largest_gaps(representation.mutual_information(bins, rows))
    return float(gaps.sum() / representation.factor_entropies(rows).sum())


def largest_gaps(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest gap [F] among the codes that tell most of a factor, from I(code; factor) [D, F]."""
    gaps = np.zeros(information.shape[1])
    np.maximum.at(gaps, information.argmax(axis=1), top_two_gap(information.T))
    return gaps
