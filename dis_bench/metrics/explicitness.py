"""Explicitness: can the values of a factor be read from the codes by a linear classifier?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Ridgeway and Mozer 2018, section 3; classifier and sizes of disentanglement_lib")
def explicitness(representation: Representation, *, train: int = 10_000, test: int = 5_000) -> float:
    """How well a linear classifier of all codes ranks images by each value of each factor.

    Per factor, a multinomial logistic regression on standardised codes gives every test row a probability of
    every value. The area under the ROC curve is how often a row that has the value gets a higher one than a
    row that has not. Chance is 0.5.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        train: training rows.
        test: test rows.

    Returns:
        The area under the curve, averaged over values and then over factors, from 0 to 1. A factor of which
        the test rows show one value only has no curve, and is left out.

    Raises:
        InputError: too few rows, or test rows in which no factor varies.
    """
    training, testing = representation.split(train, test)
    judged = np.flatnonzero((testing.factors != testing.factors[0]).any(axis=0)).tolist()
    if not judged:
        raise InputError(
            f"every factor has one value only in the {test} test rows: give rows in which one varies."
        )
    codes, test_codes = (standardise(rows.codes, like=training.codes) for rows in (training, testing))

    def area(j: int) -> float:
        scores = _predict(codes, training.factors[:, j], test_codes, representation.factor_sizes[j])
        return float(areas_under_curves(scores, testing.factors[:, j]).mean())

    return float(np.mean(map_threads(area, judged, "explicitness", "factor")))


def areas_under_curves(scores: NDArray[np.float64], values: NDArray[np.int64]) -> NDArray[np.float64]:
    """The area under the ROC curve of each value that occurs, against all others.

    Args:
        scores: [N, V], how much each row looks like having each value; equal scores share their rank.
        values: [N], from 0 to V - 1, at least two of which occur.
    """
    from scipy.stats import rankdata

    occurring, counts = np.unique(values, return_counts=True)
    ranks = rankdata(scores[:, occurring], axis=0)
    rank_sums = (ranks * (values[:, None] == occurring)).sum(axis=0)
    return (rank_sums - counts * (counts + 1) / 2) / (counts * (len(values) - counts))


def _predict(
    codes: NDArray[np.float64], values: NDArray[np.int64], test_codes: NDArray[np.float64], n_values: int
) -> NDArray[np.float64]:
    """Log-probability of each value for each test row [N, V]; no row looks like a value not seen before."""
    from dis_bench.metrics.estimators.logistic import fit_logistic

    seen, labels = np.unique(values, return_inverse=True)
    predicted = np.full((len(test_codes), n_values), -np.inf)
    predicted[:, seen] = fit_logistic(codes, labels).log_probabilities(test_codes)
    return predicted
