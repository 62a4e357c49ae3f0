"""DCIMIG, also called 3CharM: the gap between the two factors that a code is most about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(
    source="Sepliarskaia et al. 2019; codes discretised as for MIG in Locatello et al. 2019", label="DCIMIG"
)
def dcimig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """Measure how much of the factors is in codes that carry little of any other.

    A code belongs to the factor with which it shares most information. Its gap is that information less the
    information that it shares with the next factor. Each factor takes the largest gap of its codes, or 0 if
    it has none; further codes of a factor make no difference.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        bins: number of bins, of equal width over each code's range.

    Returns:
        The sum of the factors' gaps over the sum of their entropies, from 0 to 1.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(dcimig(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.0]
    """
    gaps = largest_gaps(representation.mutual_information(bins, rows))
    entropies = representation.factor_entropies(rows)
    representation.keep_per_factor("dcimig", gaps / entropies)
    return float(gaps.sum() / entropies.sum())


def largest_gaps(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest gap [F] of the codes that belong to each factor.

    Args:
        information: I(code; factor) [D, F].
    """
    gaps = np.zeros(information.shape[1])
    np.maximum.at(gaps, information.argmax(axis=1), top_two_gap(information.T))
    return gaps
