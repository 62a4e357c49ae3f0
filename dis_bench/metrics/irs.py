"""IRS, the interventional robustness score: does a code stay put while its factor is held?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import remove_offset
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation, Rows, check_bins, equal_width_bins

PUBLISHED_ROWS = 10_000


@metric(source="Suter et al. 2019; quantile and bins of disentanglement_lib", version=3, label="IRS")
def irs(
    representation: Representation, *, rows: int = 10_000, quantile: float = 0.99, bins: int = 20
) -> float:
    """Measure how little a code moves while its factor is held and others vary.

    A code's movement under a factor is a high quantile of its distance from its mean among the rows of one
    value, averaged over values, as a share of its largest distance from its mean over all rows. A code
    belongs to the factor under which it moves least. Codes are weighted by their largest distance, hence by
    scale.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        quantile: quantile of the distances, from 0 to 1. The paper uses the largest distance, 1.
        bins: a factor with more values than this is cut into this many bins of equal width, as in the
            published protocol. That costs the factors of dSprites 0.014; with 40 or more they are not cut.

    Returns:
        1 less the weighted mean movement over codes, from 0 to 1; 0 if all codes are dead. In small groups
        movement can exceed 1, so the score is clipped at 0.

    Raises:
        InputError: too few rows, no bins or too many, or a quantile outside 0 to 1.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(irs(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.3]
    """
    if not 0 <= quantile <= 1:
        raise InputError(f"quantile must be from 0 to 1, but {quantile} was given.")
    check_bins(bins)
    table = representation.rows(rows)
    live = representation.live_codes(rows)
    representation.count_codes("irs", np.flatnonzero(live))
    if not live.any():
        return 0.0
    codes, units = _rescale(table.codes[:, live])
    robustness = robustness_matrix(Rows(codes, table.factors), quantile, bins).max(axis=1)
    weights = largest_distances(codes) * (units / units.max())
    return max(0.0, float(np.average(robustness, weights=weights)))


def robustness_matrix(rows: Rows, quantile: float, bins: int) -> NDArray[np.float64]:
    """Compute 1 - the movement of each code while each factor is held [D, F].

    Args:
        rows: codes and factors; no code may be dead.
        quantile: of the distances, from 0 to 1.
        bins: factors with more values are cut into this many.
    """
    movements = [
        _movements(rows.codes, equal_width_bins(factor, bins), quantile) for factor in rows.factors.T
    ]
    return 1 - np.stack(movements, axis=1) / largest_distances(rows.codes)[:, None]


def _rescale(codes: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return live codes [N, D], near 0 and of a range below 1, and their units [D].

    The codes are in float32 if that loses nothing, as for an encoder's. The published program computes in the
    precision of the codes, so a code that should stay put moves by its last digit. This costs a perfect code
    5e-6, which matters only for agreement. It would matter for the score far from 0, near the largest
    float32, or in sums over more rows than are published. Units are powers of two, which change no digit.
    """
    codes = remove_offset(codes)
    units = np.ldexp(1.0, np.frexp(np.ptp(codes, axis=0))[1])
    codes = codes / units
    single = codes.astype(np.float32)
    is_single = len(codes) <= PUBLISHED_ROWS and np.array_equal(single, codes)
    return (single if is_single else codes), units


def largest_distances(codes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest distance of each code from its mean [D]."""
    return np.abs(codes - codes.mean(axis=0, dtype=float)).max(axis=0)


def _movements(codes: NDArray[Any], groups: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """Average the quantile of each code's distances from its group's mean [D]."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    quantiles = []
    for group in np.split(codes[order], starts):
        quantiles.append(np.quantile(np.abs(group - _means(group)), quantile, axis=0))
    return np.mean(quantiles, axis=0, dtype=float)


def _means(codes: NDArray[Any]) -> NDArray[Any]:
    """Compute the mean of each code [D], independently of the order of rows and codes.

    Values are sorted first and added row by row, as numpy adds the rows of a table, so that rounding is the
    same in any order.
    """
    return np.cumsum(np.sort(codes, axis=0), axis=0)[-1] / codes.dtype.type(len(codes))
