"""Codes as trees read them: in float32, with values apart that differ.

scikit-learn's trees do not separate values closer than 1e-7, so codes are brought to unit deviation. Values
far out (a heavy tail, an outlier) can make the deviation so large that all others merge. Such a code is
replaced by the ranks of its values, which a tree splits alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.estimators.standardise import standardise

SAME_CODE = np.float32(1e-7)  # codes this close are not separated (scikit-learn: FEATURE_THRESHOLD)
FAR_OUT = 1e30  # standard deviations; float32 holds no more than 3e38
MERGED = 0.01  # share of the rows that may merge: chance neighbours are far fewer
ALIKE = 1e-6  # of a code's usual distance from its median: a smaller range is that of rounding

Codes = NDArray[np.float64]


def make_tree_codes(codes: Codes, like: Codes) -> NDArray[np.float32]:
    """Standardise codes, or rank those whose values would merge.

    Args:
        codes: [N, D], finite: the training rows themselves, or test rows.
        like: [M, D], the same codes for the training rows.

    Returns:
        float32 [N, D]. A test value between two training values keeps its place between their ranks.

    Example:
        >>> outlier = np.array([[0.0], [1.0], [2.0], [1e9]])
        >>> make_tree_codes(outlier, outlier).T, make_tree_codes(np.array([[1.5]]), outlier)
        (array([[0., 1., 2., 3.]], dtype=float32), array([[1.5]], dtype=float32))
    """
    # For a test value far outside the training range, only its sign matters to a tree.
    standard = standardise(codes, like).clip(-FAR_OUT, FAR_OUT).astype(np.float32)
    known = standard if codes is like else standardise(like).astype(np.float32)
    for column in range(like.shape[1]):
        if _would_merge(like[:, column], known[:, column]):
            values = np.unique(like[:, column])
            standard[:, column] = np.interp(codes[:, column], values, np.arange(len(values)))
    return standard


def _would_merge(code: Codes, standard: NDArray[np.float32]) -> bool:
    """Return True if a tree cannot separate different values in many rows."""
    order = np.argsort(code)
    ascending, values = standard[order], code[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] > ascending[:-1] + SAME_CODE))
    ends = np.append(starts[1:], len(code)) - 1
    ranges = (values[ends] - values[starts])[ends - starts >= MERGED * len(code)]
    if not ranges.any():
        return False
    distances = np.abs(values - np.median(values))
    return bool(ranges.max() > ALIKE * np.median(distances[distances > 0]))
