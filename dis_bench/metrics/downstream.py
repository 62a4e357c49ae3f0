"""Downstream accuracy: what a linear classifier makes of the codes when labels are few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(keys=None, source="Locatello et al. 2019, but for the penalty")
def downstream(
    representation: Representation,
    *,
    labels: Sequence[int] = (10, 100, 1_000, 10_000),
    test: int = 5_000,
    penalty: float = 1e-4,
) -> dict[str, float]:
    """How often a linear classifier with few labels tells the values of the factors.

    Per factor, a multinomial logistic regression on all codes learns from the first 10 rows, the first 100,
    and so on. Codes are standardised on all training rows, labelled or not, so that scale does not matter. A
    value that no labelled row has is never predicted; where all of them have one value, it always is.

    The published protocol chooses the penalty by cross-validation, which takes fifty fits per factor. Ours is
    the smallest that it tries.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        labels: how many labelled rows there are, one score for each.
        test: test rows, the same for all.
        penalty: of half the squared weights, against the log-loss summed over rows: scikit-learn's 1/C.

    Returns:
        Test accuracy averaged over factors, from 0 to 1, by the number of labels: ``{"10": ...}``. It is not
        corrected for chance.

    Raises:
        InputError: too few rows, or ``labels`` that are no whole numbers from 1 up, each another one.
    """
    if not labels or min(labels) < 1 or len(set(labels)) < len(labels):
        raise InputError(f"labels must be whole numbers from 1 up, each once, but {list(labels)} was given.")
    if test < 1:
        raise InputError(f"test must be at least 1, but {test} was given.")
    if penalty < 0:
        raise InputError(f"penalty must be at least 0, but {penalty} was given.")
    codes, factors, test_codes, test_factors = _split(representation, max(labels), test)

    def accuracy(fit: tuple[int, int]) -> float:
        n, k = fit
        return _accuracy(codes[:n], factors[:n, k], test_codes, test_factors[:, k], penalty)

    fits = [(n, k) for n in labels for k in range(factors.shape[1])]
    per_fit = np.reshape(map_threads(accuracy, fits, "downstream", "fit"), (len(labels), -1))
    return {str(n): float(mean) for n, mean in zip(labels, per_fit.mean(axis=1), strict=True)}


def _split(
    representation: Representation, train: int, test: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Standardised codes and factors of the training rows, and of the next ones, which test."""
    if train + test > len(representation):
        raise InputError(
            f"{train} labelled and {test} test rows are wanted, but there are {len(representation)}: give "
            "more rows, or ask for fewer."
        )
    # Not the representation's own split: it refuses a factor of which the training rows show one value only.
    codes, factors = representation.codes[: train + test], representation.factors[: train + test]
    codes = standardise(codes, like=codes[:train])
    return codes[:train], factors[:train], codes[train:], factors[train:]


def _accuracy(
    codes: NDArray[np.float64],
    values: NDArray[np.int64],
    test_codes: NDArray[np.float64],
    test_values: NDArray[np.int64],
    penalty: float,
) -> float:
    from dis_bench.metrics.estimators.logistic import fit_logistic

    seen, labels = np.unique(values, return_inverse=True)
    if len(seen) == 1:
        return float((test_values == seen[0]).mean())
    predicted = seen[fit_logistic(codes, labels, penalty=penalty).predict(test_codes)]
    return float((predicted == test_values).mean())
