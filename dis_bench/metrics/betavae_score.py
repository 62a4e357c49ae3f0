"""The beta-VAE score: can a linear classifier tell which factor two groups of images share?"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.interventions import SharingRows, chunks, draw_points
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(
    source="Higgins et al. 2017, section 3; classifier and sizes of Locatello et al. 2019", draws_rows=True
)
def betavae_score(
    representation: Representation, *, train_points: int = 10_000, test_points: int = 5_000, batch: int = 64
) -> float:
    """How often a linear classifier tells which factor pairs of images share, from how their codes differ.

    A point is one factor, drawn uniformly, and ``batch`` pairs of rows that share its value; its features
    are the mean absolute differences of the codes over the pairs. Chance is one over the number of factors.

    Pairs are two different rows of the table: on a whole grid this is the intervention on the generator,
    on a sample it is its estimate. The classifier's penalty is fixed, as published, so that the score depends
    on the scale of the codes; a rotation of all codes, duplicates and noise beside the factors go almost
    unseen.

    Args:
        representation: codes and factors; pairs are drawn from all rows.
        train_points: points that train the classifier.
        test_points: points that it is judged by.
        batch: pairs per point.

    Returns:
        Test accuracy, from 0 to 1; with one factor there is nothing to tell, and it is 1.

    Raises:
        InputError: a count below 1, or a factor whose values all occur once, so that no pair shares one.
    """
    if min(train_points, test_points, batch) < 1:
        raise InputError("train_points, test_points and batch must be at least 1.")
    features, shared_factors = draw_points(
        representation,
        train_points + test_points,
        partial(_mean_differences, batch=batch),
        representation.generator("betavae_score"),
    )
    return _test_accuracy(features, shared_factors, train_points)


def _mean_differences(
    sharing: SharingRows, points: int, rng: np.random.Generator, batch: int
) -> NDArray[np.float64]:
    """Mean |z1 - z2| [points, D] over ``batch`` pairs of different rows that share one factor's value."""
    codes = sharing.codes
    first, second = sharing.draw_pairs(points, batch, rng)
    means = np.empty((points, codes.shape[1]))
    for some in chunks(points, batch * codes.shape[1]):
        means[some] = np.abs(codes[first[some]] - codes[second[some]]).mean(axis=1)
    return means


def _test_accuracy(features: NDArray[np.float64], labels: NDArray[np.int64], train_points: int) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    training, testing = slice(train_points), slice(train_points, None)
    # scikit-learn's line search fails near 1e30; beyond 2^40 the penalty is nil, and units change nothing.
    features = features / 2.0 ** max(0, np.frexp(features.max())[1] - 40)
    if (labels[training] == labels[0]).all():  # one factor only: the classifier would refuse
        return float((labels[testing] == labels[0]).mean())
    with warnings.catch_warnings():
        # The published protocol stops after scikit-learn's default of 100 iterations, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LogisticRegression(random_state=0).fit(features[training], labels[training])
    return float(classifier.score(features[testing], labels[testing]))
