"""Scores of the codes alone: how far they depend on each other. Lower is better; factors are not looked at.

The Gaussian scores see nothing but the covariance of the codes. Noise scores as well as the true factors do,
and so do codes that are dead but for one: read these scores beside others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.bars import bar
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation, information_of

# Of a correlation matrix. Codes in float32 cannot tell smaller eigenvalues from 0.
LEAST_EIGENVALUE = 1e-12

SOURCE = "Locatello et al. 2019, as in their code, disentanglement_lib"
INFINITE = (0.0, np.inf)


class Moments(NamedTuple):
    """Of the live codes: variances [L] and correlations [L, L]."""

    variances: NDArray[np.float64]
    correlations: NDArray[np.float64]


@metric(range=INFINITE, higher_is_better=False, source=SOURCE)
def gaussian_total_correlation(representation: Representation, *, rows: int = 10_000) -> float:
    """Total correlation of a Gaussian with the covariance of the codes, in nats: 0 if they are uncorrelated.

    Half the logarithm of the product of variances over the determinant of the covariance. It is infinite
    where a code is a linear function of others, for example a copy. A score must be finite: eigenvalues of
    the correlation matrix below 1e-12 count as 1e-12, so that each such code adds 13.8 nats at most. Dead
    codes depend on nothing and are left out.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: how many.

    Returns:
        Nats, from 0 up; scale does not matter.

    Raises:
        InputError: too few rows.
    """
    correlations = _moments(representation, rows).correlations
    eigenvalues = np.maximum(np.linalg.eigvalsh(correlations), LEAST_EIGENVALUE)
    return max(0.0, float(-np.log(eigenvalues).sum() / 2))


@metric(range=INFINITE, higher_is_better=False, source=SOURCE)
def gaussian_wasserstein_correlation(representation: Representation, *, rows: int = 10_000) -> float:
    """Squared Wasserstein distance of Gaussian codes from independent ones of the same variances.

    It has the unit of the squared codes, so that codes ten times as large score a hundred times as much.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: how many.

    Returns:
        From 0, for uncorrelated codes, up.

    Raises:
        InputError: too few rows.
    """
    moments = _moments(representation, rows)
    return float(_wasserstein_share(moments) * moments.variances.sum())


@metric(range=(0.0, 2.0), higher_is_better=False, source=SOURCE)
def gaussian_wasserstein_correlation_norm(representation: Representation, *, rows: int = 10_000) -> float:
    """The Wasserstein correlation over the sum of the variances of the codes, so that the unit cancels.

    D equal codes score 2 - 2 / sqrt(D). Scaling all codes alike does not matter, scaling one does.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: how many.

    Returns:
        From 0, for uncorrelated codes, to below 2.

    Raises:
        InputError: too few rows.
    """
    return _wasserstein_share(_moments(representation, rows))


@metric(range=INFINITE, higher_is_better=False, source=SOURCE)
def mutual_info_score(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, count_dead: bool = True
) -> float:
    """Mutual information of two codes, in nats, averaged over all pairs of codes.

    As published it averages over pairs with dead codes as well, which tell nothing of others: more dead codes
    lower it. Even independent codes do not score 0: with 20 bins and 10,000 rows, the estimate is some
    (20 - 1)^2 / (2 * 10,000) = 0.018 too high where all bins are filled.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: how many.
        bins: of equal width over each code's range.
        count_dead: whether pairs with a dead code count.

    Returns:
        Nats, from 0 to the logarithm of ``bins``; 0 for a single code.

    Raises:
        InputError: too few rows, or no bins.
    """
    between = information_between_codes(representation, bins, rows)
    n_codes = len(between) if count_dead else int(representation.live_codes(rows).sum())
    pairs = n_codes * (n_codes - 1) / 2
    return float(np.triu(between, 1).sum() / pairs) if pairs else 0.0


def information_between_codes(representation: Representation, bins: int, rows: int) -> NDArray[np.float64]:
    """I(binned code; binned code) [D, D] in nats above the diagonal; zeros elsewhere."""

    def compute() -> NDArray[np.float64]:
        columns = representation.bins(bins, rows).T
        between = np.zeros((len(columns), len(columns)))
        pairs = np.stack(np.triu_indices_from(between, 1), axis=1)
        for i, j in bar(pairs, "mutual_info_score", unit="pair"):
            joint = np.bincount(columns[i] * bins + columns[j], minlength=bins**2)
            between[i, j] = information_of(joint.reshape(bins, bins) / rows)
        return between

    return representation.shared(("information between codes", bins, rows), compute)


def _moments(representation: Representation, rows: int) -> Moments:
    def compute() -> Moments:
        codes = representation.rows(rows).codes[:, representation.live_codes(rows)]
        variances = (codes - codes[0]).var(axis=0, ddof=1)
        standard = standardise(codes)
        return Moments(variances, standard.T @ standard / rows)

    return representation.shared(("moments", rows), compute)


def _wasserstein_share(moments: Moments) -> float:
    """2 - 2 tr((D C)^(1/2)) / tr(C), with the covariance C and its diagonal D; 0 where all codes are dead."""
    if not moments.variances.any():
        return 0.0
    shares = moments.variances / moments.variances.sum()
    # The eigenvalues of D C are those of D^(1/2) C D^(1/2), which is symmetric: real, and not below 0 but for
    # rounding.
    eigenvalues = np.linalg.eigvalsh(np.outer(shares, shares) * moments.correlations)
    return max(0.0, float(2 - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()))
