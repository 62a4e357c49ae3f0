"""InfoMEC: modularity, explicitness and compactness, in terms of information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation

Information = NDArray[np.float64]


class InfoMEC(NamedTuple):
    """The three scores, each from 0 to 1."""

    modularity: float
    explicitness: float
    compactness: float


@metric(keys=InfoMEC._fields, source="Hsu et al. 2023, for continuous codes", version=2)
def infomec(
    representation: Representation, *, rows: int = 10_000, neighbours: int = 10, inactive: float = 0.05
) -> InfoMEC:
    """Does each code tell of one factor (M), can factors be read off linearly (E), does one code suffice (C)?

    Modularity and compactness look at what each code alone tells of each factor, as a share of the factor's
    entropy, estimated from nearest neighbours and so without bins. Explicitness looks at what all codes tell
    a linear classifier.

    A code is active if its range exceeds a share of the widest one's: as published, so that scaling one code
    can take it, or others, out of modularity and compactness. With ``inactive=0`` only constant codes are
    out, and scale does not matter.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        neighbours: how far the nearest-neighbour estimate looks.
        inactive: share of the widest code's range up to which a code is not active.

    Returns:
        Modularity, explicitness and compactness, each from 0 to 1.

    Raises:
        InputError: too few rows, or a parameter out of range.
    """
    if neighbours < 1:
        raise InputError(f"neighbours must be at least 1, but {neighbours} was given.")
    if not 0 <= inactive < 1:
        raise InputError(f"inactive must be from 0 to below 1, but {inactive} was given.")
    ranges = np.ptp(representation.rows(rows).codes, axis=0)
    active = representation.live_codes(rows) & (ranges > inactive * ranges.max())
    information = normalised_information(representation, rows, neighbours)[active]
    return InfoMEC(
        code_preference(information),
        linear_information(representation, rows),
        factor_preference(information),
    )


def code_preference(information: Information) -> float:
    """How far each code prefers one factor, averaged over codes [D, F] that tell anything; 0 if none does."""
    telling = information[information.any(axis=1)]
    return float(preference(telling).mean()) if len(telling) else 0.0


def factor_preference(information: Information) -> float:
    """How far each factor prefers one code, averaged over factors [D, F]; 0 for one that no code tells."""
    return float(preference(information.T).mean())


def preference(information: Information) -> NDArray[np.float64]:
    """The largest share of each row [R, n] in its sum, scaled so that 0 is even and 1 is a single one.

    With one column there is nothing to share with: 1. A row of zeros prefers nothing: 0.
    """
    totals = information.sum(axis=1)
    best = information.max(axis=1, initial=0.0)
    shares = np.divide(best, totals, out=np.zeros_like(best), where=totals > 0)
    n = information.shape[1]
    scaled = (shares * n - 1) / (n - 1) if n > 1 else shares
    return np.where(totals > 0, scaled, 0.0)


def normalised_information(representation: Representation, rows: int, neighbours: int) -> Information:
    """I(code; factor) / H(factor) [D, F], by nearest neighbours, at most 1; 0 for a constant code.

    The estimate may exceed the entropy by 0.002, which no information does: it is cut there.
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


def linear_information(representation: Representation, rows: int) -> float:
    """What a linear classifier makes of all codes, as a share of each factor's entropy, averaged.

    Multinomial logistic regression without penalty, on standardised codes, with classes balanced; its
    log-loss on the rows that it was fitted to, against the log-loss of knowing no code, which with balanced
    classes is the logarithm of their number.
    """

    def fit_all() -> float:
        from dis_bench.metrics.estimators.logistic import fit_logistic

        table = representation.rows(rows)
        codes = standardise(table.codes)

        def share(factor: NDArray[np.int64]) -> float:
            classes, labels = np.unique(factor, return_inverse=True)
            fit = fit_logistic(codes, labels, penalty=0.0, balanced=True)
            log_loss = -fit.log_probabilities(codes)[np.arange(len(labels)), labels].mean()
            # Classes of unequal size are weighed otherwise in the fit than in the loss: it may even exceed.
            return max(0.0, float(1 - log_loss / np.log(len(classes))))

        return float(np.mean(map_threads(share, table.factors.T, "infomec", "factor")))

    return representation.shared(("linear information", rows), fit_all)
