"""The gap between the best and the second best code of a factor, as in MIG and SAP."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def top_two_gap(scores: NDArray[np.float64], of_no_code: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Return the best minus the second best score of each factor over the codes.

    Args:
        scores: [D, F], how well each code predicts each factor.
        of_no_code: scalar or [F], the score without any code; it is the second best of a single code.

    Returns:
        [F], at least 0: a single code that is worse than none has no gap.
    """
    if len(scores) == 1:
        return np.maximum(scores[0] - of_no_code, 0.0)
    second, best = np.sort(scores, axis=0)[-2:]
    return best - second
