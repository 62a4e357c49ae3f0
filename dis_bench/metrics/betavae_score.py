"""The beta-VAE score: can a linear classifier identify the factor that image pairs share?"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.quiet import quiet
from dis_bench.metrics.interventions import SharingRows, chunks, draw_points
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(
    source="Higgins et al. 2017, section 3; classifier and sizes of Locatello et al. 2019",
    draws_rows=True,
    label="β-VAE score",
    caveat=(
        "The β-VAE score hardly sees rotation: on the dSprites grid, perfect codes in 20 random rotations "
        "score 0.79 to 1.00, half of them above 0.94. A high value does not show that latents align with "
        "factors."
    ),
)
def betavae_score(
    representation: Representation, *, train_points: int = 10_000, test_points: int = 5_000, batch: int = 64
) -> float:
    """Measure how well a linear classifier identifies the factor that pairs share.

    A point is a factor, drawn uniformly, with ``batch`` pairs of rows that have the same value of it. Its
    features are the mean absolute differences of the codes over the pairs. Chance is one over the number of
    factors.

    A pair is two different rows of the table. On a whole grid this is the intervention on the generator; on a
    sample of the grid it is an estimate. The classifier's penalty is fixed, as published, so the score
    depends on the scale of the codes. It hardly notices a rotation of all codes, duplicates, or noise beside
    the factors.

    Args:
        representation: codes and factors; pairs are drawn from all rows.
        train_points: points that the classifier is trained on.
        test_points: points that it is tested on.
        batch: pairs per point.

    Returns:
        Test accuracy, from 0 to 1. With a single factor there is nothing to identify, and the score is 1.

    Raises:
        InputError: a count below 1, or a factor whose values all occur once, so that no pair shares one.

    Example:
        The factors score 1 in any order; noise scores chance, 1 of 3 factors:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> few = {"train_points": 600, "test_points": 600, "batch": 16}
        >>> [round(betavae_score(codes, factors, **few), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.3]
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
    """Return the mean |z1 - z2| of each point's pairs [points, D].

    A pair is two different rows with the same value of the factor; each point has ``batch`` of them.
    """
    codes = sharing.codes
    first, second = sharing.draw_pairs(points, batch, rng)
    means = np.empty((points, codes.shape[1]))
    for some in chunks(points, batch * codes.shape[1]):
        means[some] = np.abs(codes[first[some]] - codes[second[some]]).mean(axis=1)
    return means


def _test_accuracy(features: NDArray[np.float64], labels: NDArray[np.int64], train_points: int) -> float:
    from sklearn.linear_model import LogisticRegression

    training, testing = slice(train_points), slice(train_points, None)
    # scikit-learn's line search fails near 1e30. Beyond 2^40 the penalty has no effect, so rescaling is safe.
    features = features / 2.0 ** max(0, np.frexp(features.max())[1] - 40)
    if (labels[training] == labels[0]).all():  # a single factor: the classifier would raise
        return float((labels[testing] == labels[0]).mean())
    with quiet():  # the published protocol stops after the default of 100 iterations, converged or not
        classifier = LogisticRegression(random_state=0).fit(features[training], labels[training])
        return float(classifier.score(features[testing], labels[testing]))
