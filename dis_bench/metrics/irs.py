"""IRS, the interventional robustness score: does a code stand still while its factor does?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation, Rows, check_bins, equal_width_bins


@metric(source="Suter et al. 2019; quantile and bins of disentanglement_lib", version=2)
def irs(
    representation: Representation, *, rows: int = 10_000, quantile: float = 0.99, bins: int = 20
) -> float:
    """How little a code moves while the factor that it belongs to is held and all others vary.

    A code's movement is a high quantile of its distance from its mean among the rows of one value, averaged
    over values, as a share of its largest distance from its mean over all rows. It belongs to the factor for
    which that is least. Codes are weighted by their largest distance, hence by their scale.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        quantile: of the distances, from 0 to 1. The paper takes the largest, 1.
        bins: factors with more values are cut into so many bins of equal width, as in the published
            protocol, which costs the factors of dSprites 0.014; 40 or more leave them alone.

    Returns:
        One less the weighted mean movement over codes, from 0 to 1; 0 if all codes are dead. Where groups are
        small, movement can exceed 1: below 0 the score is cut off.

    Raises:
        InputError: too few rows, no bins or too many, or a quantile outside 0 to 1.
    """
    if not 0 <= quantile <= 1:
        raise InputError(f"quantile must be from 0 to 1, but {quantile} was given.")
    check_bins(bins)
    table = representation.rows(rows)
    live = representation.live_codes(rows)
    if not live.any():
        return 0.0
    live_rows = Rows(_as_computed(table.codes[:, live]), table.factors)
    robustness = robustness_matrix(live_rows, quantile, bins).max(axis=1)
    return max(0.0, float(np.average(robustness, weights=largest_distances(live_rows.codes))))


def robustness_matrix(rows: Rows, quantile: float, bins: int) -> NDArray[np.float64]:
    """One less the movement of each code while each factor is held [D, F]; no code may be dead."""
    movements = [
        _movements(rows.codes, equal_width_bins(factor, bins), quantile) for factor in rows.factors.T
    ]
    return 1 - np.stack(movements, axis=1) / largest_distances(rows.codes)[:, None]


def _as_computed(codes: NDArray[np.float64]) -> NDArray[Any]:
    """The codes in single precision where they came in it, as an encoder's do.

    The published code computes in the codes' own precision. A code that stands still then moves by its last
    digit, which costs a perfect code 5e-6: too little to matter, but more than scores should differ by.
    """
    single = codes.astype(np.float32)
    return single if np.array_equal(single, codes) else codes


def largest_distances(codes: NDArray[Any]) -> NDArray[np.float64]:
    """The largest distance of each code from its mean [D]."""
    return np.abs(codes - codes.mean(axis=0, dtype=float)).max(axis=0)


def _movements(codes: NDArray[Any], groups: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """The quantile of a code's distances from its mean in a group, averaged over groups [D]."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    quantiles = []
    for group in np.split(codes[order], starts):
        quantiles.append(np.quantile(np.abs(group - _means(group)), quantile, axis=0))
    return np.mean(quantiles, axis=0, dtype=float)


def _means(codes: NDArray[Any]) -> NDArray[Any]:
    """The mean of each code [D], rounded alike in whatever order rows and codes come.

    The sum goes from row to row, as numpy's does over the rows of a table.
    """
    return np.cumsum(np.sort(codes, axis=0), axis=0)[-1] / codes.dtype.type(len(codes))
