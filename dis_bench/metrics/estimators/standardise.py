"""Codes at another origin or scale, so that a metric does not depend on either."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standardise(codes: NDArray[np.float64], like: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Standardise codes [N, D] by the mean and standard deviation of ``like`` [M, D].

    The result is exact up to rounding for any origin and scale. It is 0 if ``like`` is constant.

    Args:
        codes: [N, D], finite.
        like: the same codes for other rows, such as training rows; by default ``codes`` themselves.

    Example:
        >>> standardise(np.array([[1.0, 3.7], [2.0, 3.7], [3.0, 3.7]])).round(2)
        array([[-1.22,  0.  ],
               [ 0.  ,  0.  ],
               [ 1.22,  0.  ]])
    """
    like = codes if like is None else like
    origin = like[0]  # differences are exact for a code that varies little around a large value
    spread = np.abs(like - origin).max(axis=0)
    unit = np.where(spread > 0, spread, 1.0)  # keeps squares within float64
    scaled = (like - origin) / unit
    means, deviations = scaled.mean(axis=0), scaled.std(axis=0)
    standard = np.zeros(codes.shape)
    return np.divide((codes - origin) / unit - means, deviations, out=standard, where=spread > 0)


def remove_offset(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift each code [N, D] that is far from 0 until its range begins or ends there.

    Far is farther than the range is wide. The mean of such a code would be rounded as coarsely as its values.
    Other codes keep their last digit.

    Example:
        >>> remove_offset(np.array([[1e15, -1.0], [1e15 + 1, 2.0]]))
        array([[ 0., -1.],
               [ 1.,  2.]])
    """
    lowest, highest = codes.min(axis=0), codes.max(axis=0)
    nearest = np.clip(0.0, lowest, highest)
    return codes - np.where(np.abs(nearest) > highest - lowest, nearest, 0.0)
