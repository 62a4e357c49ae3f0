"""DCI: disentanglement, completeness and informativeness, from boosted trees that predict each factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import unknown
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation, Rows

if TYPE_CHECKING:
    from dis_bench.metrics.estimators.boosting import BoostedFit

ESTIMATORS = ("fast", "sklearn")
FAR_OUT = 1e30  # standard deviations; float32 holds no more than 3e38

Importances = NDArray[np.float64]


class DCI(NamedTuple):
    """The three scores, each from 0 to 1."""

    disentanglement: float
    completeness: float
    informativeness: float


@metric(
    keys=DCI._fields,
    source="Eastwood and Williams 2018, section 2; boosted trees as in Locatello et al. 2019",
    version=2,
)
def dci(
    representation: Representation, *, train: int = 10_000, test: int = 5_000, estimator: str = "fast"
) -> DCI:
    """Does each code speak of one factor (D), each factor sit in one code (C), and can it be predicted (I)?

    Gradient boosted trees predict each factor from all codes; how much their splits on a code gain is that
    code's importance. The trees read codes as float32, and do not part values closer than 1e-7: so codes are
    standardised first, which no tree would otherwise notice.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        train: training rows.
        test: test rows.
        estimator: ``fast``, this package's own fit of the same trees, or ``sklearn``,
            scikit-learn's GradientBoostingClassifier, which takes minutes.

    Returns:
        Disentanglement, completeness and informativeness; the last is test accuracy averaged over factors,
        not corrected for chance.

    Raises:
        InputError: too few rows, or an unknown estimator.
    """
    importances, accuracies = fit_importances(representation, train, test, estimator)
    return DCI(disentanglement(importances), completeness(importances), float(accuracies.mean()))


def fit_importances(
    representation: Representation, train: int, test: int, estimator: str
) -> tuple[Importances, NDArray[np.float64]]:
    """Importances [D, F] of codes for factors, each column summing to 1 (or 0), and test accuracies [F]."""
    if estimator not in ESTIMATORS:
        raise unknown("estimator of dci", estimator, ESTIMATORS)
    training, testing = representation.split(train, test)

    def fit_all() -> tuple[Importances, NDArray[np.float64]]:
        from dis_bench.metrics.estimators.boosting import fit_boosted_trees

        fit = fit_boosted_trees if estimator == "fast" else _fit_sklearn
        codes_train, codes_test = (_single_precision(rows, training) for rows in (training, testing))
        seeds = representation.generator("dci").integers(2**31, size=len(representation.factor_sizes))

        def fit_factor(j: int) -> BoostedFit:
            labels, test_labels = training.factors[:, j], testing.factors[:, j]
            return fit(codes_train, labels, codes_test, test_labels, seed=int(seeds[j]))

        fits = map_threads(fit_factor, range(len(seeds)), "dci", "factor")
        return np.stack([f.importances for f in fits], axis=1), np.array([f.test_accuracy for f in fits])

    return representation.shared(("importances", train, test, estimator), fit_all)


def disentanglement(importances: Importances) -> float:
    """Disentanglement per code, weighted by each code's share of all importance; 0 if there is none."""
    return _weighted(disentanglement_per_code(importances), importances.sum(axis=1))


def completeness(importances: Importances) -> float:
    """Completeness per factor, weighted by each factor's share of all importance; 0 if there is none."""
    return _weighted(completeness_per_factor(importances), importances.sum(axis=0))


def disentanglement_per_code(importances: Importances) -> NDArray[np.float64]:
    """1 - H of each code's importances over factors, in base F [D]: 1 if it matters to one factor only."""
    return _concentration(importances)


def completeness_per_factor(importances: Importances) -> NDArray[np.float64]:
    """1 - H of each factor's importances over codes, in base D [F]: 1 if one code only matters to it.

    D counts every code, dead ones too: a factor spread over two codes of ten is more complete than one
    spread over two of four.
    """
    return _concentration(importances.T)


def _concentration(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - entropy of each row [R, n], in base n. Rows of zeros score 0: nothing is concentrated nowhere."""
    totals = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    entropies = -(shares * np.log(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)
    # With one column there is nothing to spread over: its entropy is 0 in any base.
    in_base_n = entropies / np.log(max(2, weights.shape[1]))
    return np.where(totals[:, 0] > 0, 1 - in_base_n, 0.0)


def _single_precision(rows: Rows, training: Rows) -> NDArray[np.float32]:
    """The codes in float32, each at the scale of its training rows, whatever unit it came in."""
    standard = standardise(rows.codes, like=training.codes)
    # Of a test row far outside the training rows only the side matters.
    return standard.clip(-FAR_OUT, FAR_OUT).astype(np.float32)


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
