"""The FactorVAE score: does the code that varies least identify the factor that was held?"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import remove_offset
from dis_bench.metrics.interventions import SharingRows, chunks, draw_points
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation

STILL = 1e-12  # of a code's deviation: equal values whose mean was rounded deviate by less


@metric(
    source="Kim and Mnih 2018, section 4; sizes and pruning of Locatello et al. 2019",
    draws_rows=True,
    label="FactorVAE score",
)
def factorvae_score(
    representation: Representation,
    *,
    train_votes: int = 10_000,
    test_votes: int = 5_000,
    batch: int = 64,
    rows: int = 10_000,
    prune_std: float = 0.05,
) -> float:
    """Measure how often the least varying code identifies the factor rows share.

    A vote is a factor, drawn uniformly, with ``batch`` rows that have the same value of it. It goes to the
    code whose variance over these rows is the smallest share of its variance over all rows. Each code
    predicts the factor from which it got most training votes. Chance is one over the number of factors.

    Codes of small standard deviation cannot be voted for. The published threshold is absolute and suits codes
    of about unit variance, such as a VAE's; use ``prune_std=0`` for others. Dead codes are always left out.

    If several codes vary equally little, the first of them gets the vote, as published. The order of codes
    therefore matters where ties are common: with codes that are constant in many groups, such as one code per
    value of a factor of many values. On the grid of dSprites these score 0.749, and 0.378 in reverse order.

    Args:
        representation: codes and factors; groups are drawn from all rows.
        train_votes: number of votes that decide which factor a code predicts.
        test_votes: number of votes that test the predictions.
        batch: rows per vote, at least 2.
        rows: number of rows over which each code's total variance is computed.
        prune_std: smallest standard deviation of a code that can be voted for.

    Returns:
        Test accuracy, from 0 to 1; 0 if there is no code to vote for, 1 if there is a single factor.

    Raises:
        InputError: too few rows, a count too small, or a factor whose values all occur once.

    Example:
        The factors score 1 in any order; noise scores chance, 1 of 2 factors:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 2))
        >>> noise = np.random.default_rng(1).standard_normal((600, 2))
        >>> few = {"train_votes": 2_000, "test_votes": 1_000, "rows": 600}
        >>> [round(factorvae_score(codes, factors, **few), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.5]
    """
    if min(train_votes, test_votes) < 1 or batch < 2:
        raise InputError("train_votes and test_votes must be at least 1, and batch at least 2.")
    deviations = remove_offset(representation.rows(rows).codes).std(axis=0, ddof=1)
    # The variance of a live code may be 0 only if it hardly varies in these rows, and does in others.
    live = representation.live_codes(rows) & (deviations > 0)
    kept = np.flatnonzero(live & (deviations >= prune_std))
    representation.count_codes("factorvae_score", kept)
    if kept.size == 0:
        return 0.0
    within, shared_factors = draw_points(
        representation,
        train_votes + test_votes,
        partial(_group_deviations, batch=batch),
        representation.generator("factorvae_score"),
    )
    shares = within[:, kept] / deviations[kept]
    votes = np.where(shares < STILL, 0.0, shares).argmin(axis=1)
    return majority_accuracy(votes, shared_factors, train_votes)


def majority_accuracy(votes: NDArray[np.int64], factors: NDArray[np.int64], train_votes: int) -> float:
    """Compute the test accuracy of each code's majority vote.

    Args:
        votes: [V], the code that each vote went to.
        factors: [V], the factor of each vote.
        train_votes: how many votes, the first ones, decide which factor each code predicts.
    """
    counts = np.zeros((factors.max() + 1, votes.max() + 1))
    np.add.at(counts, (factors[:train_votes], votes[:train_votes]), 1)
    predicted = counts.argmax(axis=0)[votes[train_votes:]]
    return float((predicted == factors[train_votes:]).mean())


def _group_deviations(
    sharing: SharingRows, points: int, rng: np.random.Generator, batch: int
) -> NDArray[np.float64]:
    """Return each code's standard deviation over a group of rows [points, D].

    The ``batch`` rows of a group have the same value of the factor.
    """
    codes = remove_offset(sharing.codes)
    groups = sharing.draw_groups(points, batch, rng)
    deviations = np.empty((points, codes.shape[1]))
    for some in chunks(points, batch * codes.shape[1]):
        deviations[some] = codes[groups[some]].std(axis=1, ddof=1)
    return deviations
