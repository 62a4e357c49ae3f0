"""The FactorVAE score: does the code that varies least tell which factor was held?"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.interventions import SharingRows, chunks, draw_points
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Kim and Mnih 2018, section 4; sizes and pruning of Locatello et al. 2019", draws_rows=True)
def factorvae_score(
    representation: Representation,
    *,
    train_votes: int = 10_000,
    test_votes: int = 5_000,
    batch: int = 64,
    rows: int = 10_000,
    prune_std: float = 0.05,
) -> float:
    """How often the code that varies least tells which factor a group of images shares.

    A vote is one factor, drawn uniformly, and ``batch`` rows that share its value; it goes to the code whose
    variance over these rows is the smallest share of its variance over all rows. Each code stands for the
    factor that gave it most training votes. Chance is one over the number of factors.

    Codes of small standard deviation cannot be voted for. The published threshold is absolute, so it is meant
    for codes of about unit variance, such as a VAE's; give ``prune_std=0`` to others. Dead codes are left out
    whatever it is.

    Where several codes vary equally little, the vote goes to the first of them, as published. So the order of
    codes matters where ties are common: codes that are constant in many groups, such as one code per value of
    a factor of many values. On the grid of dSprites these score 0.749, and 0.378 with the last one first.

    Args:
        representation: codes and factors; groups are drawn from all rows.
        train_votes: votes that decide which factor a code stands for.
        test_votes: votes that it is judged by.
        batch: rows per vote.
        rows: rows that each code's variance over all rows is taken from.
        prune_std: smallest standard deviation of a code that can be voted for.

    Returns:
        Test accuracy, from 0 to 1; 0 if there is no code to vote for, 1 if there is one factor only.

    Raises:
        InputError: too few rows, a count too small, or a factor whose values all occur once.
    """
    if min(train_votes, test_votes) < 1 or batch < 2:
        raise InputError("train_votes and test_votes must be at least 1, and batch at least 2.")
    deviations = representation.rows(rows).codes.std(axis=0, ddof=1)
    kept = np.flatnonzero(representation.live_codes(rows) & (deviations >= prune_std))
    if kept.size == 0:
        return 0.0
    within, shared_factors = draw_points(
        representation,
        train_votes + test_votes,
        partial(_group_deviations, batch=batch),
        representation.generator("factorvae_score"),
    )
    votes = (within[:, kept] / deviations[kept]).argmin(axis=1)
    return majority_accuracy(votes, shared_factors, train_votes)


def majority_accuracy(votes: NDArray[np.int64], factors: NDArray[np.int64], train_votes: int) -> float:
    """How often the factor [V] is the one that gave the code [V] voted for most of the training votes."""
    counts = np.zeros((factors.max() + 1, votes.max() + 1))
    np.add.at(counts, (factors[:train_votes], votes[:train_votes]), 1)
    predicted = counts.argmax(axis=0)[votes[train_votes:]]
    return float((predicted == factors[train_votes:]).mean())


def _group_deviations(
    sharing: SharingRows, points: int, rng: np.random.Generator, batch: int
) -> NDArray[np.float64]:
    """Standard deviation of each code [points, D] over ``batch`` rows that share one factor's value."""
    codes = sharing.codes
    groups = sharing.draw_groups(points, batch, rng)
    deviations = np.empty((points, codes.shape[1]))
    for some in chunks(points, batch * codes.shape[1]):
        deviations[some] = codes[groups[some]].std(axis=1, ddof=1)
    return deviations
