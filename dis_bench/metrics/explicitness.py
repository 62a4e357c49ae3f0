"""Explicitness: can a linear classifier read the values of a factor from the codes?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation


@metric(
    source="Ridgeway and Mozer 2018, section 3; classifier and sizes of disentanglement_lib",
    widest=MOST_CODES,
)
def explicitness(representation: Representation, *, train: int = 10_000, test: int = 5_000) -> float:
    """Measure how well a linear classifier ranks images by each value of a factor.

    Per factor, a multinomial logistic regression on standardised codes gives every test row a probability of
    every value. The area under the ROC curve is how often a row with the value gets a higher probability than
    a row without it. Chance is 0.5.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        train: number of training rows.
        test: number of test rows.

    Returns:
        The area under the curve, averaged over values and then over factors, from 0 to 1. A factor with a
        single value in the test rows has no curve, and is left out.

    Raises:
        InputError: too few rows, or test rows in which no factor varies.

    Example:
        Factors of 2 values score 1 in any order, and noise scores chance:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(2, size=(900, 3))
        >>> noise = np.random.default_rng(1).standard_normal((900, 3))
        >>> few = {"train": 600, "test": 300}
        >>> [round(explicitness(codes, factors, **few), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.5]
    """
    training, testing = representation.split(train, test)
    judged = np.flatnonzero((testing.factors != testing.factors[0]).any(axis=0)).tolist()
    if not judged:
        raise InputError(
            f"every factor has a single value in the {test} test rows: give rows in which one varies."
        )
    codes, test_codes = (standardise(rows.codes, like=training.codes) for rows in (training, testing))

    def area(j: int) -> float:
        scores = _predict(codes, training.factors[:, j], test_codes, representation.factor_sizes[j])
        return float(areas_under_curves(scores, testing.factors[:, j]).mean())

    areas = np.array(map_threads(area, judged, "explicitness", "factor"))
    if len(judged) == len(representation.factor_sizes):
        representation.keep_per_factor("explicitness", areas)
    return float(areas.mean())


def areas_under_curves(scores: NDArray[np.float64], values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the area under the ROC curve of each value against all others.

    Args:
        scores: [N, V], the evidence that each row has each value; equal scores share their rank.
        values: [N], from 0 to V - 1; at least two different ones occur.

    Returns:
        The areas, from 0 to 1, of the values that occur, in ascending order of the values.
    """
    from scipy.stats import rankdata

    occurring, counts = np.unique(values, return_counts=True)
    ranks = rankdata(scores[:, occurring], axis=0)
    rank_sums = (ranks * (values[:, None] == occurring)).sum(axis=0)
    return (rank_sums - counts * (counts + 1) / 2) / (counts * (len(values) - counts))


def _predict(
    codes: NDArray[np.float64], values: NDArray[np.int64], test_codes: NDArray[np.float64], n_values: int
) -> NDArray[np.float64]:
    """Predict the log-probability of each value for each test row [N, V].

    A value without training rows has the probability 0.
    """
    from dis_bench.metrics.estimators.logistic import fit_logistic

    seen, labels = np.unique(values, return_inverse=True)
    predicted = np.full((len(test_codes), n_values), -np.inf)
    predicted[:, seen] = fit_logistic(codes, labels).log_probabilities(test_codes)
    return predicted
