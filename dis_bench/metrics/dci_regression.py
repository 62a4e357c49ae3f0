"""DCI as in its paper, with lasso and random forest regressions of the factor values.

These are not the quantities of :mod:`dis_bench.metrics.dci`, which classifies the values with boosted trees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.dci import DCI, completeness_per_factor, disentanglement
from dis_bench.metrics.estimators.quiet import quiet
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.estimators.tree_codes import make_tree_codes
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation

DEPTHS = (2, 4, 8, 16)  # maximum depths of a forest's trees, tried in this order
HELD_BACK = 0.1  # share of the training rows that is held out to choose the depth

Array = NDArray[np.float64]


class Regression(NamedTuple):
    """The regression of one factor on all codes.

    Attributes:
        importances: [D], at least 0.
        predictions: [M], for the test rows.
    """

    importances: Array
    predictions: Array


class Fits(NamedTuple):
    """The regressions of all factors.

    Attributes:
        importances: [D, F], of codes for factors.
        r2: [F], the share of each factor's variance that is explained in the test rows.
    """

    importances: Array
    r2: Array


@metric(
    keys=DCI._fields,
    source="Eastwood and Williams 2018, section 2, with lasso",
    values_are_numbers=True,
    label="DCI (lasso)",
)
def dci_lasso(
    representation: Representation,
    *,
    train: int = 10_000,
    test: int = 5_000,
    alpha: float = 0.02,
    least_r2: float = 0.01,
) -> DCI:
    """Compute DCI from lasso regressions, with absolute weights as importances.

    Codes and the ranks of factor values are standardised. A lasso sees only part of a bent code or an angle,
    and gives all the weight to one of two equal codes.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        train: number of training rows.
        test: number of test rows.
        alpha: penalty on the absolute weights, at unit variance; above 0.
        least_r2: a factor has importances only if a larger share of its variance is explained. Without this
            threshold, ``least_r2=-1``, noise would score a disentanglement of 1, because importances are
            compared with each other, however small they are.

    Returns:
        Disentanglement, completeness and informativeness, each from 0 to 1.

    Raises:
        InputError: too few rows, or a penalty that is not positive.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(*np.round(dci_lasso(codes, factors, allow_small=True), 1))
        1.0 1.0 1.0
        1.0 1.0 1.0
        0.0 0.0 0.0
    """
    if alpha <= 0:
        raise InputError(f"alpha must be above 0, but {alpha} was given.")
    fit = partial(_fit_lasso, alpha=alpha)
    fits = representation.shared(
        ("lasso", train, test, alpha), lambda: fit_factors(representation, train, test, fit)
    )
    return _score_and_keep(representation, "dci_lasso", fits, least_r2)


@metric(
    keys=DCI._fields,
    source="Eastwood and Williams 2018, section 2, with random forests",
    values_are_numbers=True,
    label="DCI (forests)",
    widest=MOST_CODES,
    slow=True,
)
def dci_forest(
    representation: Representation,
    *,
    train: int = 10_000,
    test: int = 5_000,
    trees: int = 10,
    least_r2: float = 0.01,
) -> DCI:
    """Compute DCI from random forest regressions, with split gains as importances.

    A forest predicts the ranks of factor values. Every split may use any code. Forests whose splits may use
    only some of the codes, scikit-learn's default for classification, must often split on a wrong one, and
    give the factors themselves 0.59. The depth is the first of 2, 4, 8 and 16 after which a held-out tenth of
    the training rows is predicted no better.

    Args:
        representation: codes and factors; the first rows train, the next ones test.
        train: number of training rows.
        test: number of test rows.
        trees: number of trees in each forest.
        least_r2: a factor has importances only if a larger share of its variance is explained.

    Returns:
        Disentanglement, completeness and informativeness, each from 0 to 1.

    Raises:
        InputError: too few rows, or no trees.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(*np.round(dci_forest(codes, factors, allow_small=True), 1))
        1.0 1.0 1.0
        1.0 1.0 1.0
        0.0 0.0 0.0
    """
    if trees < 1:
        raise InputError(f"trees must be at least 1, but {trees} was given.")
    seeds = representation.generator("dci_forest").integers(2**31, size=len(representation.factor_sizes))
    fit = partial(_fit_forest, trees=trees, seeds=seeds)
    fits = representation.shared(
        ("forest", train, test, trees), lambda: fit_factors(representation, train, test, fit, make_tree_codes)
    )
    return _score_and_keep(representation, "dci_forest", fits, least_r2)


def fit_factors(
    representation: Representation,
    train: int,
    test: int,
    fit: Callable[[NDArray[Any], Array, NDArray[Any], int], Regression],
    read: Callable[[Array, Array], NDArray[Any]] = standardise,
) -> Fits:
    """Fit a regression per factor to the training rows, and test it.

    Args:
        representation: codes and factors.
        train: number of training rows.
        test: number of test rows.
        fit: a function of training codes, a standardised factor, test codes and the factor's number.
        read: brings codes to the origin and scale of training codes, its second argument.

    Returns:
        Importances and explained variance. The latter is relative to predicting the training mean, and 0
        where that would be better.
    """
    training, testing = representation.split(train, test)
    known = training.factors.astype(float)
    codes, test_codes = (read(rows.codes, training.codes) for rows in (training, testing))
    factors, test_factors = (
        standardise(rows.factors.astype(float), like=known).T for rows in (training, testing)
    )
    numbers = range(len(factors))
    with quiet():
        fits = map_threads(lambda j: fit(codes, factors[j], test_codes, j), numbers, "dci", "factor")
    importances, predictions = (np.stack(parts) for parts in zip(*fits, strict=True))
    with np.errstate(over="ignore"):  # an infinite error explains nothing, like any other of that size
        errors = np.square(predictions - test_factors).sum(axis=1)
    variances = np.square(test_factors).sum(axis=1)
    unexplained = np.divide(errors, variances, out=np.ones_like(errors), where=errors < variances)
    return Fits(importances.T, 1 - unexplained)


def score_fits(fits: Fits, least_r2: float) -> DCI:
    """Compute DCI from regressions.

    A factor has no importances and completeness 0 unless its R^2 exceeds ``least_r2``.
    """
    importances = _explain(fits, least_r2)
    completeness = float(completeness_per_factor(importances).mean())
    return DCI(disentanglement(importances), completeness, float(fits.r2.mean()))


def _explain(fits: Fits, least_r2: float) -> Array:
    return np.where(fits.r2 > least_r2, fits.importances, 0.0)


def _score_and_keep(representation: Representation, metric: str, fits: Fits, least_r2: float) -> DCI:
    """Compute DCI, and keep its importances and the scores of single factors."""
    importances = _explain(fits, least_r2)
    representation.keep_importances(metric, importances)
    representation.keep_per_factor(f"{metric}_completeness", completeness_per_factor(importances))
    representation.keep_per_factor(f"{metric}_informativeness", fits.r2)
    return score_fits(fits, least_r2)


def _fit_lasso(codes: Array, factor: Array, test_codes: Array, _: int, *, alpha: float) -> Regression:
    from sklearn.linear_model import Lasso

    model = Lasso(alpha=alpha, max_iter=10_000, random_state=0).fit(codes, factor)
    return Regression(np.abs(model.coef_), model.predict(test_codes))


def _fit_forest(
    codes: NDArray[np.float32],
    factor: Array,
    test_codes: NDArray[np.float32],
    number: int,
    *,
    trees: int,
    seeds: NDArray[np.int64],
) -> Regression:
    """Fit a forest, with the depth chosen on held-out training rows."""
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
