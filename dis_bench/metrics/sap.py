"""SAP, the separated attribute predictability score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation, Rows


@metric(source="Kumar et al. 2018, section 3; the classification variant of Locatello et al. 2019", version=2)
def sap(representation: Representation, *, train: int = 10_000, test: int = 5_000) -> float:
    """How much better the best code alone classifies a factor than the second best code alone does.

    Each code alone feeds a linear support vector machine per factor. It cannot part the middle classes of
    an ordered factor, so that the factors themselves, at unit variance, score 0.245 on the grid of dSprites.

    Codes that are constant in the training rows are left out of the gap. The machines weigh all classes
    alike, and on a factor of which one value is common they tell fewer rows than guessing that value would:
    a dead code, which can only guess, would be the best one there. A single live code is compared with
    guessing, and scores 0 where it is worse.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        train: training rows.
        test: test rows.

    Returns:
        The mean gap in test accuracy over factors, from 0 to 1; 0 if all codes are dead.

    Raises:
        InputError: too few rows.
    """
    training, testing = representation.split(train, test)
    live = representation.live_codes(train)
    if not live.any():
        return 0.0
    accuracies = accuracy_matrix(representation, train, test)[live]
    return float(top_two_gap(accuracies, _accuracy_of_guessing(training, testing)).mean())


@metric(source="Kumar et al. 2018, section 3 (regression)", values_are_numbers=True)
def sap_continuous(representation: Representation, *, rows: int = 10_000) -> float:
    """How much more of a factor's variance the best code alone explains than the second best one.

    It takes factor values as numbers, even where they stand for names, and sees linear relations only. A dead
    code explains nothing, which is what no code explains: it changes no gap.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.

    Returns:
        The mean gap in R^2 over factors, from 0 to 1.

    Raises:
        InputError: too few rows.
    """
    return float(top_two_gap(r2_matrix(representation.rows(rows))).mean())


def accuracy_matrix(representation: Representation, train: int, test: int) -> NDArray[np.float64]:
    """Test accuracy [D, F] of a linear support vector machine that sees one code and tells one factor.

    A code that is constant in the training rows gets the accuracy of guessing the commonest class.
    """
    training, testing = representation.split(train, test)

    def fit_all() -> NDArray[np.float64]:
        from sklearn.svm import LinearSVC

        def fit(code: int, factor: int) -> float:
            # The primal problem: two unknowns per class. It draws nothing, but scikit-learn draws a seed.
            classifier = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=0)
            classifier.fit(training.codes[:, [code]], training.factors[:, factor])
            return float(classifier.score(testing.codes[:, [code]], testing.factors[:, factor]))

        accuracies = np.tile(_accuracy_of_guessing(training, testing), (training.codes.shape[1], 1))
        live = np.flatnonzero(np.ptp(training.codes, axis=0) > 0)
        pairs = [(int(code), factor) for code in live for factor in range(training.factors.shape[1])]
        for pair, accuracy in zip(pairs, map_threads(lambda p: fit(*p), pairs, "sap", "fit"), strict=True):
            accuracies[pair] = accuracy
        return accuracies

    return representation.shared(("accuracies", train, test), fit_all)


def r2_matrix(rows: Rows) -> NDArray[np.float64]:
    """R^2 [D, F] of each factor's regression on each code alone; 0 for a constant code."""
    codes, factors = (table - table.mean(axis=0) for table in rows)
    code_norms, factor_norms = (np.linalg.norm(table, axis=0) for table in (codes, factors))
    live = np.ptp(rows.codes, axis=0) > 0  # rounding leaves a constant code a norm above zero
    correlations = np.zeros((codes.shape[1], factors.shape[1]))
    correlations[live] = codes[:, live].T @ factors / np.outer(code_norms[live], factor_norms)
    return correlations**2


def _accuracy_of_guessing(training: Rows, testing: Rows) -> NDArray[np.float64]:
    commonest = np.array([np.bincount(factor).argmax() for factor in training.factors.T])
    return (testing.factors == commonest).mean(axis=0)
