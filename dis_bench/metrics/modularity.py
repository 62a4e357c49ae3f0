"""Modularity: is each code about one factor only?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Ridgeway and Mozer 2018, section 3; discretised as in Locatello et al. 2019")
def modularity(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, count_dead: bool = True
) -> float:
    """Measure how exclusively each code carries information about one factor.

    Only the proportions of a code's information matter, not its amount, and each code weighs the same. A
    noise code is scored by the information that its bins seem to carry by chance: ten codes of noise score
    0.7, so read modularity beside a score of the amount of information, such as explicitness. Dead codes
    count as 0, as in the published numbers, so the score depends on their number; ``count_dead=False`` leaves
    them out.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        bins: number of bins, of equal width over each code's range.
        count_dead: whether dead codes are part of the mean.

    Returns:
        The mean over codes, from 0 to 1; 0 if all are dead.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        The factors score 1 in any order; noise scores far above 0:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(modularity(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.3]
    """
    live = representation.live_codes(rows)
    # The counts of a dead code give information that is 0 only up to rounding.
    information = np.where(live[:, None], representation.mutual_information(bins, rows), 0.0)
    scores = modularity_per_code(information)
    counted = scores if count_dead else scores[live]
    representation.count_codes("modularity", np.flatnonzero(live | count_dead))
    return float(counted.mean()) if counted.size else 0.0


def modularity_per_code(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute 1 - the mean squared information about other factors [D].

    Information is measured in units of the code's largest.

    Args:
        information: I(code; factor) [D, F], at least 0; a row of zeros scores 0.
    """
    largest = information.max(axis=1, keepdims=True)
    shares = np.divide(information, largest, out=np.zeros_like(information), where=largest > 0)
    others = np.square(shares).sum(axis=1) - 1
    # With a single factor there is no other to carry information about.
    return np.where(largest[:, 0] > 0, 1 - others / max(1, information.shape[1] - 1), 0.0)
