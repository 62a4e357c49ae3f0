"""Codes at mean 0 and variance 1: what makes a metric the same at every scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standardise(codes: NDArray[np.float64], like: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Codes [N, D] less the mean of ``like`` [M, D], over its standard deviation; 0 where that is constant.

    Exact to rounding wherever the codes lie and however large they are.

    Args:
        codes: finite.
        like: the same codes of other rows, such as training rows; by default ``codes`` themselves.
    """
    like = codes if like is None else like
    origin = like[0]  # differences are exact for a code that varies little around a large value
    spread = np.abs(like - origin).max(axis=0)
    unit = np.where(spread > 0, spread, 1.0)  # squares are neither too large for float64 nor too small
    scaled = (like - origin) / unit
    means, deviations = scaled.mean(axis=0), scaled.std(axis=0)
    standard = np.zeros(codes.shape)
    return np.divide((codes - origin) / unit - means, deviations, out=standard, where=spread > 0)
