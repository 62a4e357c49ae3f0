"""Modularity: does each code tell of one factor only?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Ridgeway and Mozer 2018, section 3; discretised as in Locatello et al. 2019")
def modularity(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, count_dead: bool = True
) -> float:
    """How close each code is to telling of one factor and nothing of any other, whatever it tells.

    Each code weighs the same. A code of noise is scored by what its bins seem to tell by chance: ten codes of
    noise score 0.7, so read it beside a score of what is told, such as explicitness. Dead codes count as 0,
    as in the published numbers, so the score depends on how many there are; ``count_dead=False`` leaves them
    out.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        bins: of equal width over each code's range.
        count_dead: whether dead codes are part of the mean.

    Returns:
        The mean over codes, from 0 to 1; 0 if all are dead.

    Raises:
        InputError: too few rows, or no bins.
    """
    live = representation.live_codes(rows)
    # By counting, a dead code tells 0 but for rounding.
    information = np.where(live[:, None], representation.mutual_information(bins, rows), 0.0)
    scores = modularity_per_code(information)
    counted = scores if count_dead else scores[live]
    return float(counted.mean()) if counted.size else 0.0


def modularity_per_code(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - the mean square of what a code tells of other factors, as a share of that of its own [D].

    Args:
        information: I(code; factor) [D, F], at least 0; a code of zeros scores 0.
    """
    largest = information.max(axis=1, keepdims=True)
    shares = np.divide(information, largest, out=np.zeros_like(information), where=largest > 0)
    others = np.square(shares).sum(axis=1) - 1
    # With one factor there is none that a code could tell of wrongly.
    return np.where(largest[:, 0] > 0, 1 - others / max(1, information.shape[1] - 1), 0.0)
