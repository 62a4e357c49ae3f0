"""InfoMEC: modularity, explicitness and compactness, in terms of information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import MOST_CODES, Representation, count_information

Information = NDArray[np.float64]


class InfoMEC(NamedTuple):
    """Modularity, explicitness and compactness, each from 0 to 1."""

    modularity: float
    explicitness: float
    compactness: float


@metric(
    keys=InfoMEC._fields,
    source="Hsu et al. 2023",
    version=2,
    label={key: f"Info{key[0].upper()}" for key in InfoMEC._fields},
    widest=MOST_CODES,
    slow=True,
)
def infomec(
    representation: Representation,
    *,
    rows: int = 10_000,
    neighbours: int = 10,
    inactive: float = 0.05,
    discrete: bool = False,
) -> InfoMEC:
    """Compute modularity (M), explicitness (E) and compactness (C) from information.

    They ask whether each code is about one factor (M), whether the factors can be read off linearly (E), and
    whether one code suffices for a factor (C). Modularity and compactness use the mutual information of each
    single code and each factor, as a share of the factor's entropy. It is estimated from nearest neighbours,
    without bins, or, for codes of few values such as those of ``qlae``, from the shares of equal values
    (``discrete``), as the authors do. Explicitness uses the log-loss of a linear classifier of all codes.

    A code is active if its range exceeds a share of the widest code's range. This is as published: scaling a
    code can exclude it, or others, from modularity and compactness. With ``inactive=0`` only constant codes
    are excluded, and scale does not matter.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        neighbours: the k of the k-nearest-neighbour estimate, at least 1.
        inactive: a code is inactive if its range is at most this share of the widest one's; at least 0 and
            below 1.
        discrete: whether codes are of few values. Neighbours of equal values are in random order, and may
            give unrelated codes any modularity.

    Returns:
        Modularity, explicitness and compactness, each from 0 to 1.

    Raises:
        InputError: too few rows, or a parameter out of range.

    Example:
        The factors score 1, 1, 1 in any order. Noise looks modular, but its explicitness is 0:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(*np.round(infomec(codes, factors, rows=600), 1))
        1.0 1.0 1.0
        1.0 1.0 1.0
        0.6 0.0 0.6
    """
    if neighbours < 1:
        raise InputError(f"neighbours must be at least 1, but {neighbours} was given.")
    if not 0 <= inactive < 1:
        raise InputError(f"inactive must be from 0 to below 1, but {inactive} was given.")
    ranges = np.ptp(representation.rows(rows).codes, axis=0)
    active = representation.live_codes(rows) & (ranges > inactive * ranges.max())
    representation.count_codes("infomec", np.flatnonzero(active))
    if discrete:
        information = counted_information(representation, rows)[active]
    else:
        information = normalised_information(representation, rows, neighbours)[active]
    explicitness = representation.keep_per_factor(
        "infomec_explicitness", linear_information(representation, rows)
    )
    representation.keep_per_factor("infomec_compactness", preference(information.T))
    return InfoMEC(code_preference(information), float(explicitness.mean()), factor_preference(information))


def code_preference(information: Information) -> float:
    """Average over codes how far each one prefers a single factor.

    Args:
        information: [D, F]. Rows of zeros are left out; the score is 0 if there are no others.
    """
    telling = information[information.any(axis=1)]
    return float(preference(telling).mean()) if len(telling) else 0.0


def factor_preference(information: Information) -> float:
    """Average over factors how far each one prefers a single code.

    Args:
        information: [D, F]. A factor whose column is zeros counts as 0.
    """
    return float(preference(information.T).mean())


def preference(information: Information) -> NDArray[np.float64]:
    """Return the largest share of each row [R, n] in its sum, rescaled.

    0 means that the row is even, 1 that a single entry is not zero. A row with one column scores 1, a row of
    zeros 0.
    """
    totals = information.sum(axis=1)
    best = information.max(axis=1, initial=0.0)
    shares = np.divide(best, totals, out=np.zeros_like(best), where=totals > 0)
    n = information.shape[1]
    scaled = (shares * n - 1) / (n - 1) if n > 1 else shares
    return np.where(totals > 0, scaled, 0.0)


def normalised_information(representation: Representation, rows: int, neighbours: int) -> Information:
    """Estimate I(code; factor) / H(factor) [D, F] from nearest neighbours.

    A constant code scores 0. The estimate can exceed the entropy by 0.002, which mutual information cannot,
    so it is clipped at 1.
    """

    def estimate() -> Information:
        from dis_bench.metrics.estimators.nearest_neighbours import neighbour_information, separate_values

        table = representation.rows(rows)
        codes = separate_values(table.codes, representation.generator)
        information = np.zeros((codes.shape[1], table.factors.shape[1]))
        live = np.flatnonzero(representation.live_codes(rows))

        def tell(code: int) -> list[float]:
            return [neighbour_information(codes[:, code], factor, neighbours) for factor in table.factors.T]

        if live.size:
            information[live] = map_threads(tell, live.tolist(), "infomec", "code")
        return np.minimum(information / representation.factor_entropies(rows), 1.0)

    return representation.shared(("neighbour information", rows, neighbours), estimate)


def counted_information(representation: Representation, rows: int) -> Information:
    """Compute I(code; factor) / H(factor) [D, F] from the shares of equal values.

    A constant code scores 0.
    """

    def count() -> Information:
        table = representation.rows(rows)
        information = np.zeros((table.codes.shape[1], table.factors.shape[1]))
        for i in np.flatnonzero(representation.live_codes(rows)):
            values, code = np.unique(table.codes[:, i], return_inverse=True)
            for j, size in enumerate(representation.factor_sizes):
                information[i, j] = count_information(code, len(values), table.factors[:, j], size)
        return np.minimum(information / representation.factor_entropies(rows), 1.0)

    return representation.shared(("counted information", rows), count)


def linear_information(representation: Representation, rows: int) -> NDArray[np.float64]:
    """Compute 1 - the relative log-loss of a linear classifier of each factor [F].

    The classifier is multinomial logistic regression on standardised codes, without penalty and with balanced
    classes. Its log-loss on the rows that it was fitted to is divided by the log-loss without any code, which
    is the logarithm of the number of classes, as they are balanced.
    """

    def fit_all() -> NDArray[np.float64]:
        from dis_bench.metrics.estimators.logistic import fit_logistic

        table = representation.rows(rows)
        codes = standardise(table.codes)

        def share(factor: NDArray[np.int64]) -> float:
            classes, labels = np.unique(factor, return_inverse=True)
            fit = fit_logistic(codes, labels, penalty=0.0, balanced=True)
            log_loss = -fit.log_probabilities(codes)[np.arange(len(labels)), labels].mean()
            # The fit balances classes and the loss does not, so the loss can exceed the one without any code.
            return max(0.0, float(1 - log_loss / np.log(len(classes))))

        return np.array(map_threads(share, table.factors.T, "infomec", "factor"))

    return representation.shared(("linear information", rows), fit_all)
