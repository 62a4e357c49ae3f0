"""MIG, the mutual information gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Chen et al. 2018, section 4; discretised as in Locatello et al. 2019")
def mig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """How much more the best code tells of a factor than the second best does.

    1 means that each factor is in one code and in no other, 0 that its two best codes tell equally much:
    because neither tells anything, or because they say the same. Bins limit it: 20 bins cannot resolve the
    32 and 40 values of dSprites, where a perfect code scores 0.895. As they are of equal width, bending a
    code moves it, and a single value far out empties them.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many; fewer raise the mutual information of unrelated codes.
        bins: of equal width over each code's range.

    Returns:
        The mean over factors, from 0 to 1.

    Raises:
        InputError: too few rows, or no bins.
    """
    information = representation.mutual_information(bins, rows)
    return float(gap_per_factor(information, representation.factor_entropies(rows)).mean())


def gap_per_factor(
    information: NDArray[np.float64], factor_entropies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each factor's gap [F] from I(code; factor) [D, F] and H(factor) [F], both in nats."""
    return top_two_gap(information) / factor_entropies
