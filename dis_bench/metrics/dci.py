"""DCI: disentanglement, completeness and informativeness, from boosted trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import unknown
from dis_bench.metrics.estimators.quiet import quiet
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.estimators.tree_codes import make_tree_codes
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation

if TYPE_CHECKING:
    from dis_bench.metrics.estimators.boosting import BoostedFit

ESTIMATORS = ("fast", "sklearn")

Importances = NDArray[np.float64]


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness, each from 0 to 1."""

    disentanglement: float
    completeness: float
    informativeness: float


@metric(
    keys=DCI._fields,
    source="Eastwood and Williams 2018, section 2; boosted trees as in Locatello et al. 2019",
    version=2,
    label="DCI",
    short={key: f"DCI {key[0].upper()}" for key in DCI._fields},
    widest=MOST_CODES,
    slow=True,
)
def dci(
    representation: Representation, *, train: int = 10_000, test: int = 5_000, estimator: str = "fast"
) -> DCI:
    """Compute disentanglement (D), completeness (C) and informativeness (I).

    They ask whether each code serves one factor (D), whether each factor is in one code (C), and whether the
    codes predict the factors (I). Gradient boosted trees predict each factor from all codes; the importance
    of a code is the total gain of the splits on it. The trees read codes as float32 and do not separate
    values closer than 1e-7, so codes are standardised first, or replaced by ranks if values far out would let
    the others merge. Neither makes another difference to a tree, but for test values between two others.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        train: number of training rows.
        test: number of test rows.
        estimator: ``fast``, this package's own fit of the same trees, or ``sklearn``, scikit-learn's
            GradientBoostingClassifier, which takes minutes.

    Returns:
        Disentanglement, completeness and informativeness, each from 0 to 1. Informativeness is test accuracy
        averaged over factors, not corrected for chance.

    Raises:
        InputError: too few rows, or an unknown estimator.

    Example:
        The factors score 1, 1, 1 in any order. Noise is as informative as guessing one of 2 values:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(2, size=(900, 3))
        >>> noise = np.random.default_rng(1).standard_normal((900, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(*np.round(dci(codes, factors, allow_small=True), 1))
        1.0 1.0 1.0
        1.0 1.0 1.0
        0.0 0.0 0.5
    """
    importances, accuracies = fit_importances(representation, train, test, estimator)
    representation.keep_importances("dci", importances)
    representation.keep_per_factor("dci_completeness", completeness_per_factor(importances))
    representation.keep_per_factor("dci_informativeness", accuracies)
    return DCI(disentanglement(importances), completeness(importances), float(accuracies.mean()))


def fit_importances(
    representation: Representation, train: int, test: int, estimator: str
) -> tuple[Importances, NDArray[np.float64]]:
    """Fit the trees: return importances [D, F] and test accuracies [F].

    Each column of importances, one per factor, sums to 1, or to 0 if nothing was split.
    """
    if estimator not in ESTIMATORS:
        raise unknown("estimator of dci", estimator, ESTIMATORS)
    training, testing = representation.split(train, test)

    def fit_all() -> tuple[Importances, NDArray[np.float64]]:
        from dis_bench.metrics.estimators.boosting import fit_boosted_trees

        fit = fit_boosted_trees if estimator == "fast" else _fit_sklearn
        codes_train, codes_test = (
            make_tree_codes(rows.codes, training.codes) for rows in (training, testing)
        )
        seeds = representation.generator("dci").integers(2**31, size=len(representation.factor_sizes))

        def fit_factor(j: int) -> BoostedFit:
            labels, test_labels = training.factors[:, j], testing.factors[:, j]
            return fit(codes_train, labels, codes_test, test_labels, seed=int(seeds[j]))

        with quiet():
            fits = map_threads(fit_factor, range(len(seeds)), "dci", "factor")
        return np.stack([f.importances for f in fits], axis=1), np.array([f.test_accuracy for f in fits])

    return representation.shared(("importances", train, test, estimator), fit_all)


def disentanglement(importances: Importances) -> float:
    """Average disentanglement over codes, weighted by importance.

    Args:
        importances: [D, F], at least 0; the score is 0 if all of them are.
    """
    return _weighted(disentanglement_per_code(importances), importances.sum(axis=1))


def completeness(importances: Importances) -> float:
    """Average completeness over factors, weighted by importance.

    Args:
        importances: [D, F], at least 0; the score is 0 if all of them are.
    """
    return _weighted(completeness_per_factor(importances), importances.sum(axis=0))


def disentanglement_per_code(importances: Importances) -> NDArray[np.float64]:
    """Compute 1 - H of each code's importances [D, F] over factors, in base F.

    Returns:
        [D], from 0 to 1: 1 if the code matters to one factor only, 0 if it matters to all alike or to none.
    """
    return _concentration(importances)


def completeness_per_factor(importances: Importances) -> NDArray[np.float64]:
    """Compute 1 - H of each factor's importances [D, F] over codes, in base D.

    D counts every code, dead ones too: a factor spread over two codes of ten is more complete than one
    spread over two of four.

    Returns:
        [F], from 0 to 1: 1 if only one code matters to the factor.
    """
    return _concentration(importances.T)


def _concentration(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute 1 - entropy of each row [R, n], in base n; a row of zeros scores 0."""
    totals = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    entropies = -(shares * np.log(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)
    # With one column there is nothing to spread over: the entropy is 0 in any base.
    in_base_n = entropies / np.log(max(2, weights.shape[1]))
    return np.where(totals[:, 0] > 0, 1 - in_base_n, 0.0)


def _weighted(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(scores @ weights / weights.sum()) if weights.sum() > 0 else 0.0


def _fit_sklearn(
    codes_train: NDArray[np.float32],
    labels_train: NDArray[np.int64],
    codes_test: NDArray[np.float32],
    labels_test: NDArray[np.int64],
    *,
    seed: int,
) -> BoostedFit:
    from sklearn.ensemble import GradientBoostingClassifier

    from dis_bench.metrics.estimators.boosting import BoostedFit

    model = GradientBoostingClassifier(random_state=seed).fit(codes_train, labels_train)
    return BoostedFit(
        importances=model.feature_importances_,
        train_accuracy=model.score(codes_train, labels_train),
        test_accuracy=model.score(codes_test, labels_test),
    )
