"""Scores of the codes alone: how much they depend on each other; lower is better.

The Gaussian scores see only the covariance of the codes. Noise scores as well as the true factors, and so do
codes of which all but one are dead: read these scores beside others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.bars import bar
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation, count_information

# Smallest eigenvalue of a correlation matrix. With codes in float32, smaller ones are as good as 0.
LEAST_EIGENVALUE = 1e-12

SOURCE = "Locatello et al. 2019, as in their code, disentanglement_lib"
INFINITE = (0.0, np.inf)


class Moments(NamedTuple):
    """The variances [L] and correlations [L, L] of the live codes."""

    variances: NDArray[np.float64]
    correlations: NDArray[np.float64]


@metric(
    range=INFINITE,
    higher_is_better=False,
    source=SOURCE,
    label="Gaussian total correlation",
    widest=MOST_CODES,
    reads_factors=False,
)
def gaussian_total_correlation(representation: Representation, *, rows: int = 10_000) -> float:
    """Compute the total correlation of a Gaussian with the codes' covariance, in nats.

    It is half the logarithm of the product of variances over the determinant of the covariance, and infinite
    if a code is a linear function of others, for example a copy. Because a score must be finite, eigenvalues
    of the correlation matrix below 1e-12 count as 1e-12, so that each such code adds at most 13.8 nats. Dead
    codes depend on nothing and are left out.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: number of rows.

    Returns:
        Nats, at least 0, and 0 for uncorrelated codes; scale does not matter.

    Raises:
        InputError: too few rows.

    Example:
        Factors score 0 in any order, and so does noise. A duplicate scores 13.8 nats less log(2) / 2:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise, factors[:, [0, 1, 1]]):
        ...     print(round(gaussian_total_correlation(codes, factors, rows=600), 1))
        0.0
        0.0
        0.0
        13.5
    """
    correlations = _moments(representation, rows).correlations
    eigenvalues = np.maximum(np.linalg.eigvalsh(correlations), LEAST_EIGENVALUE)
    return max(0.0, float(-np.log(eigenvalues).sum() / 2))


@metric(
    range=INFINITE,
    higher_is_better=False,
    source=SOURCE,
    label="Gaussian Wasserstein correlation",
    widest=MOST_CODES,
    reads_factors=False,
)
def gaussian_wasserstein_correlation(representation: Representation, *, rows: int = 10_000) -> float:
    """Compute the squared Wasserstein distance of Gaussian codes from independence.

    The distance is from a Gaussian with the codes' covariance to one with independent codes of the same
    variances. It has the unit of the squared codes: codes ten times as large score a hundred times as much.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: number of rows.

    Returns:
        At least 0, in squared units of the codes; 0 for uncorrelated codes.

    Raises:
        InputError: too few rows.

    Example:
        Factors score 0 in any order, and so does noise. Two equal codes cost 2 - sqrt(2) of their variances:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise, factors[:, [0, 1, 1]]):
        ...     print(round(gaussian_wasserstein_correlation(codes, factors, rows=600), 1))
        0.0
        0.0
        0.0
        1.5
    """
    moments = _moments(representation, rows)
    return float(_wasserstein_share(moments) * moments.variances.sum())


@metric(
    range=(0.0, 2.0),
    higher_is_better=False,
    source=SOURCE,
    label="normalised Gaussian Wasserstein correlation",
    widest=MOST_CODES,
    reads_factors=False,
)
def gaussian_wasserstein_correlation_norm(representation: Representation, *, rows: int = 10_000) -> float:
    """Divide the Wasserstein correlation by the sum of the codes' variances.

    The unit cancels, so scaling all codes by the same factor does not matter; scaling one does. D equal codes
    score 2 - 2 / sqrt(D).

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: number of rows.

    Returns:
        From 0, for uncorrelated codes, to below 2.

    Raises:
        InputError: too few rows.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise, factors[:, [1, 1, 1]]):
        ...     print(round(gaussian_wasserstein_correlation_norm(codes, factors, rows=600), 2))
        0.0
        0.0
        0.0
        0.85
    """
    return _wasserstein_share(_moments(representation, rows))


@metric(
    range=INFINITE,
    higher_is_better=False,
    source=SOURCE,
    label="mutual information score",
    widest=MOST_CODES,
    reads_factors=False,
)
def mutual_info_score(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, count_dead: bool = True
) -> float:
    """Average the mutual information of two codes, in nats, over all pairs.

    As published, pairs with a dead code count, and have no information: more dead codes lower the score.
    Independent codes do not score 0 either: with 20 bins and 10,000 rows, the estimate is about
    (20 - 1)^2 / (2 * 10,000) = 0.018 too high if all bins are filled.

    Args:
        representation: codes; the first ``rows`` rows are read.
        rows: number of rows.
        bins: number of bins, of equal width over each code's range.
        count_dead: whether pairs with a dead code count.

    Returns:
        Nats, from 0 to the logarithm of ``bins``; 0 for a single code.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        Factors score 0 in any order. So should noise, but it fills all bins, and few rows make it 0.2. A
        duplicate has log(4) nats of information, in one pair of three:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise, factors[:, [0, 1, 1]]):
        ...     print(round(mutual_info_score(codes, factors, rows=600), 1))
        0.0
        0.0
        0.2
        0.5
    """
    between = information_between_codes(representation, bins, rows)
    n_codes = len(between) if count_dead else int(representation.live_codes(rows).sum())
    pairs = n_codes * (n_codes - 1) / 2
    return float(np.triu(between, 1).sum() / pairs) if pairs else 0.0


def information_between_codes(representation: Representation, bins: int, rows: int) -> NDArray[np.float64]:
    """Compute I(binned code; binned code) [D, D] in nats above the diagonal.

    All other entries are 0.
    """

    def compute() -> NDArray[np.float64]:
        columns = representation.bins(bins, rows).T
        between = np.zeros((len(columns), len(columns)))
        pairs = np.stack(np.triu_indices_from(between, 1), axis=1)
        for i, j in bar(pairs, "mutual_info_score", unit="pair"):
            between[i, j] = count_information(columns[i], bins, columns[j], bins)
        return between

    return representation.shared(("information between codes", bins, rows), compute)


def _moments(representation: Representation, rows: int) -> Moments:
    def compute() -> Moments:
        codes = representation.first_codes(rows)[:, representation.live_codes(rows)]
        variances = (codes - codes[0]).var(axis=0, ddof=1)
        standard = standardise(codes)
        return Moments(variances, standard.T @ standard / rows)

    return representation.shared(("moments", rows), compute)


def _wasserstein_share(moments: Moments) -> float:
    """Compute 2 - 2 tr((D C)^(1/2)) / tr(C), or 0 if all codes are dead.

    C is the covariance of the live codes and D its diagonal.
    """
    if not moments.variances.any():
        return 0.0
    shares = moments.variances / moments.variances.sum()
    # The eigenvalues of D C are those of D^(1/2) C D^(1/2), which is symmetric: they are real, and only
    # rounding can take them below 0.
    eigenvalues = np.linalg.eigvalsh(np.outer(shares, shares) * moments.correlations)
    return max(0.0, float(2 - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()))
