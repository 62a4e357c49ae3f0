"""DCI as in its paper: lasso and random forest regressions, which take the values of factors as numbers.

These are other quantities than :mod:`dis_bench.metrics.dci`, which classifies the values with boosted trees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.dci import DCI, completeness_per_factor, disentanglement
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation

DEPTHS = (2, 4, 8, 16)  # of the trees of a forest
HELD_BACK = 0.1  # share of the training rows that chooses the depth

Array = NDArray[np.float64]


class Regression(NamedTuple):
    """One factor from all codes: importances [D], at least 0, and predictions for the test rows [M]."""

    importances: Array
    predictions: Array


class Fits(NamedTuple):
    """Importances [D, F] of codes for factors, and the share of each factor's variance that is explained."""

    importances: Array
    r2: Array


@metric(keys=DCI._fields, source="Eastwood and Williams 2018, section 2, with lasso", values_are_numbers=True)
def dci_lasso(
    representation: Representation,
    *,
    train: int = 10_000,
    test: int = 5_000,
    alpha: float = 0.02,
    least_r2: float = 0.01,
) -> DCI:
    """DCI from linear regressions with few non-zero weights: the importance of a code is its weight's size.

    Codes and factors are standardised. Bent codes and angles are only partly seen, and of two equal codes
    one takes all the weight.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        train: training rows.
        test: test rows.
        alpha: penalty on the weights, at unit variance.
        least_r2: a factor of which no larger share of variance is explained has no importances. Without
            that, ``least_r2=-1``, codes of noise would score a disentanglement of 1, since importances are
            relative, however small.

    Returns:
        Disentanglement, completeness and informativeness, each from 0 to 1.

    Raises:
        InputError: too few rows, or a negative penalty.
    """
    if alpha <= 0:
        raise InputError(f"alpha must be above 0, but {alpha} was given.")
    fit = partial(_fit_lasso, alpha=alpha)
    fits = representation.shared(
        ("lasso", train, test, alpha), lambda: fit_factors(representation, train, test, fit)
    )
    return score_fits(fits, least_r2)


@metric(
    keys=DCI._fields,
    source="Eastwood and Williams 2018, section 2, with random forests",
    values_are_numbers=True,
)
def dci_forest(
    representation: Representation,
    *,
    train: int = 10_000,
    test: int = 5_000,
    trees: int = 10,
    least_r2: float = 0.01,
) -> DCI:
    """DCI from random forest regressions: the importance of a code is what the splits on it gain.

    Every split may use any code. Forests that try a few codes only, scikit-learn's default for
    classification, must often split on a wrong one, and give the factors themselves 0.59. The trees are as
    deep, up to 16, as helps to predict a tenth of the training rows that is first held back.

    Args:
        representation: codes and factors; its first rows train, the next ones test.
        train: training rows.
        test: test rows.
        trees: in each forest.
        least_r2: a factor of which no larger share of variance is explained has no importances.

    Returns:
        Disentanglement, completeness and informativeness, each from 0 to 1.

    Raises:
        InputError: too few rows, or no trees.
    """
    if trees < 1:
        raise InputError(f"trees must be at least 1, but {trees} was given.")
    seeds = representation.generator("dci_forest").integers(2**31, size=len(representation.factor_sizes))
    fit = partial(_fit_forest, trees=trees, seeds=seeds)
    fits = representation.shared(
        ("forest", train, test, trees), lambda: fit_factors(representation, train, test, fit)
    )
    return score_fits(fits, least_r2)


def fit_factors(
    representation: Representation,
    train: int,
    test: int,
    fit: Callable[[Array, Array, Array, int], Regression],
) -> Fits:
    """Fit a regression per factor to the standardised training rows, and judge it by the test rows.

    The share of variance explained is that about the training mean, and 0 where guessing the mean is better.
    ``fit`` is given training codes, a factor, test codes, and the number of the factor.
    """
    training, testing = representation.split(train, test)
    known = training.factors.astype(float)
    codes, test_codes = (standardise(rows.codes, like=training.codes) for rows in (training, testing))
    factors, test_factors = (
        standardise(rows.factors.astype(float), like=known).T for rows in (training, testing)
    )
    fits = map_threads(lambda j: fit(codes, factors[j], test_codes, j), range(len(factors)), "dci", "factor")
    importances, predictions = (np.stack(parts) for parts in zip(*fits, strict=True))
    errors, variances = np.square(predictions - test_factors).sum(axis=1), np.square(test_factors).sum(axis=1)
    unexplained = np.divide(errors, variances, out=np.ones_like(errors), where=errors < variances)
    return Fits(importances.T, 1 - unexplained)


def score_fits(fits: Fits, least_r2: float) -> DCI:
    """DCI of the factors that are explained; the others have no importances, and completeness 0."""
    importances = np.where(fits.r2 > least_r2, fits.importances, 0.0)
    completeness = float(completeness_per_factor(importances).mean())
    return DCI(disentanglement(importances), completeness, float(fits.r2.mean()))


def _fit_lasso(codes: Array, factor: Array, test_codes: Array, _: int, *, alpha: float) -> Regression:
    from sklearn.linear_model import Lasso

    model = Lasso(alpha=alpha, max_iter=10_000, random_state=0).fit(codes, factor)
    return Regression(np.abs(model.coef_), model.predict(test_codes))


def _fit_forest(
    codes: Array, factor: Array, test_codes: Array, number: int, *, trees: int, seeds: NDArray[np.int64]
) -> Regression:
    """A forest of the depth beyond which it would predict rows that were held back no better."""
    from sklearn.ensemble import RandomForestRegressor

    def grow(depth: int, rows: slice) -> RandomForestRegressor:
        forest = RandomForestRegressor(
            trees, max_depth=depth, max_features=None, random_state=int(seeds[number])
        )
        return forest.fit(codes[rows], factor[rows])

    known = len(codes) - max(1, round(HELD_BACK * len(codes)))
    chosen, least_error = DEPTHS[0], np.inf
    for depth in DEPTHS:
        predictions = grow(depth, slice(known)).predict(codes[known:])
        error = np.square(predictions - factor[known:]).mean()
        if error >= least_error:
            break
        chosen, least_error = depth, error
    forest = grow(chosen, slice(None))
    return Regression(forest.feature_importances_, forest.predict(test_codes))
