"""SAP, the separated attribute predictability score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.estimators.quiet import quiet
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation, Rows


@metric(
    source="Kumar et al. 2018, section 3; the classification variant of Locatello et al. 2019",
    version=2,
    label="SAP",
    perfect={"dsprites": 0.245},
    widest=MOST_CODES,
)
def sap(representation: Representation, *, train: int = 10_000, test: int = 5_000) -> float:
    """Compute the gap in accuracy between the two codes that best classify a factor.

    A linear support vector machine predicts each factor from each single code. It cannot separate the middle
    classes of an ordered factor, so the factors themselves, at unit variance, score only 0.245 on the grid of
    dSprites.

    Codes that are constant in the training rows are left out. The SVMs weight all classes equally, so on an
    imbalanced factor they can be less accurate than always predicting its most common value: a dead code,
    which can only do that, would be the best one. A single live code is compared with that guess, and scores
    0 if it is worse.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        train: number of training rows.
        test: number of test rows.

    Returns:
        The gap in test accuracy, averaged over factors, from 0 to 1; 0 if all codes are dead.

    Raises:
        InputError: too few rows.

    Example:
        Perfect codes of two values score 0.5, since the second best code is right half of the time:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(2, size=(900, 3))
        >>> noise = np.random.default_rng(1).standard_normal((900, 3))
        >>> few = {"train": 600, "test": 300}
        >>> [round(sap(codes, factors, **few), 1) for codes in (factors, factors[:, ::-1], noise)]
        [0.5, 0.5, 0.0]
    """
    training, testing = representation.split(train, test)
    live = representation.live_codes(train)
    if not live.any():
        return 0.0
    accuracies = accuracy_matrix(representation, train, test)[live]
    gaps = top_two_gap(accuracies, _accuracy_of_guessing(training, testing))
    return float(representation.keep_per_factor("sap", gaps).mean())


@metric(
    source="Kumar et al. 2018, section 3 (regression)",
    version=2,
    values_are_numbers=True,
    label="SAP (continuous)",
)
def sap_continuous(representation: Representation, *, rows: int = 10_000) -> float:
    """Compute the gap in R^2 between the two codes that best explain a factor.

    The ranks of factor values are treated as numbers, even if the values are names, and only linear relations
    count. A dead code explains nothing, like no code at all, so it changes no gap.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.

    Returns:
        The gap in R^2, averaged over factors, from 0 to 1.

    Raises:
        InputError: too few rows.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(round(sap_continuous(codes, factors, rows=600), 1))
        1.0
        1.0
        0.0
    """
    gaps = top_two_gap(r2_matrix(representation.rows(rows)))
    return float(representation.keep_per_factor("sap_continuous", gaps).mean())


def accuracy_matrix(representation: Representation, train: int, test: int) -> NDArray[np.float64]:
    """Compute the test accuracy [D, F] of a linear SVM for each code and factor.

    A code that is constant in the training rows gets the accuracy of always predicting the most common class.
    """
    training, testing = representation.split(train, test)

    def fit_all() -> NDArray[np.float64]:
        from sklearn.svm import LinearSVC

        def fit(code: int, factor: int) -> float:
            # The primal problem, with two unknowns per class. It is not random; scikit-learn draws a seed.
            classifier = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=0)
            classifier.fit(training.codes[:, [code]], training.factors[:, factor])
            return float(classifier.score(testing.codes[:, [code]], testing.factors[:, factor]))

        accuracies = np.tile(_accuracy_of_guessing(training, testing), (training.codes.shape[1], 1))
        live = np.flatnonzero(np.ptp(training.codes, axis=0) > 0)
        pairs = [(int(code), factor) for code in live for factor in range(training.factors.shape[1])]
        with quiet():
            fitted = map_threads(lambda pair: fit(*pair), pairs, "sap", "fit")
        for pair, accuracy in zip(pairs, fitted, strict=True):
            accuracies[pair] = accuracy
        return accuracies

    return representation.shared(("accuracies", train, test), fit_all)


def r2_matrix(rows: Rows) -> NDArray[np.float64]:
    """Compute R^2 [D, F] of each factor's regression on each code, 0 if constant."""
    codes, factors = (standardise(table.astype(float)) for table in rows)
    return (codes.T @ factors / len(codes)) ** 2


def _accuracy_of_guessing(training: Rows, testing: Rows) -> NDArray[np.float64]:
    commonest = np.array([np.bincount(factor).argmax() for factor in training.factors.T])
    return (testing.factors == commonest).mean(axis=0)
