"""Downstream accuracy: a linear classifier of the codes, trained on few labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation


@metric(keys=None, source="Locatello et al. 2019, but for the penalty", widest=MOST_CODES, slow=True)
def downstream(
    representation: Representation,
    *,
    labels: Sequence[int] = (10, 100, 1_000, 10_000),
    test: int = 5_000,
    penalty: float = 1e-4,
) -> dict[str, float]:
    """Measure the accuracy of a linear classifier of each factor with few labels.

    Per factor, a multinomial logistic regression on all codes is trained on the first 10 rows, the first 100,
    and so on. Codes are standardised on all training rows, labelled or not, so scale does not matter. A value
    that no labelled row has is never predicted; if they all have the same value, it is always predicted.

    The published protocol chooses the penalty by cross-validation, which takes fifty fits per factor. Ours is
    the smallest penalty that it tries.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        labels: numbers of labelled rows; one score for each.
        test: number of test rows, the same ones for each score.
        penalty: factor on half the squared weights, added to the log-loss summed over rows; scikit-learn's
            1/C.

    Returns:
        Test accuracy averaged over factors, from 0 to 1, by the number of labels: ``{"10": ...}``. It is not
        corrected for chance.

    Raises:
        InputError: too few rows, or ``labels`` that are not distinct whole numbers of at least 1.

    Example:
        The factors score 1 in any order; noise scores chance, 1 of 2 values, with any number of labels:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(2, size=(1_000, 3))
        >>> noise = np.random.default_rng(1).standard_normal((1_000, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     accuracies = downstream(codes, factors, labels=(10, 100), test=500)
        ...     print({labels: round(accuracy, 1) for labels, accuracy in accuracies.items()})
        {'10': 1.0, '100': 1.0}
        {'10': 1.0, '100': 1.0}
        {'10': 0.5, '100': 0.5}
    """
    if not labels or min(labels) < 1 or len(set(labels)) < len(labels):
        raise InputError(
            f"labels must be distinct whole numbers of at least 1, but {list(labels)} was given."
        )
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
    for n, accuracies in zip(labels, per_fit, strict=True):
        representation.keep_per_factor(f"downstream_{n}", accuracies)
    return {str(n): float(mean) for n, mean in zip(labels, per_fit.mean(axis=1), strict=True)}


def _split(
    representation: Representation, train: int, test: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return standardised codes and factors of the training and of the test rows."""
    if train + test > len(representation):
        raise InputError(
            f"{train} labelled and {test} test rows are needed, but there are {len(representation)}: give "
            "more rows, or ask for fewer."
        )
    # The representation's own split would refuse a factor with a single value in the training rows.
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
