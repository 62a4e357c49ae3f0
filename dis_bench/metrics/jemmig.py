"""JEMMIG, the joint entropy less the mutual information gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation

TIE = 1e-9  # of the factor's entropy; rounding makes less difference between codes of equal information


@metric(
    source="Do and Tran 2020, normalised; codes discretised as for MIG in Locatello et al. 2019",
    version=2,
    label="JEMMIG",
)
def jemmig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """Measure how exclusively each factor and its best code determine each other.

    For each factor, the joint entropy of the factor and its best code, less the gap in mutual information to
    the second best code, is 0 if the code is the factor and nothing else. Two factors in one code, or noise
    in a code, are therefore penalised, which MIG forgives. The score is 1 less this quantity over its upper
    bound, the entropy of the factor plus the logarithm of the number of bins.

    Of several live codes with most information, the best is the one with the smallest joint entropy. A dead
    code adds no entropy. If all codes are dead, the score is therefore not 0 but the mean of
    ``log(bins) / (H(factor) + log(bins))``.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        bins: number of bins, of equal width over each code's range.

    Returns:
        The mean over factors, from 0 to 1; highest for the factors themselves, if their values are equally
            frequent.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(jemmig(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.1]
    """
    excess = joint_entropy_less_gap(
        representation.mutual_information(bins, rows),
        representation.code_entropies(bins, rows),
        representation.factor_entropies(rows),
    )
    largest = representation.factor_entropies(rows) + np.log(bins)
    return float(representation.keep_per_factor("jemmig", 1 - excess / largest).mean())


def joint_entropy_less_gap(
    information: NDArray[np.float64],
    code_entropies: NDArray[np.float64],
    factor_entropies: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute H(z*, v) - (I(z*; v) - I(z'; v)) [F] in nats.

    Here v is a factor, z* the code with most information about it and z' the second best. Of live codes that
    tie, z* is the one with the smallest joint entropy, wherever it stands.

    Args:
        information: I(code; factor) [D, F] in nats.
        code_entropies: [D], in nats.
        factor_entropies: [F], in nats.
    """
    live = code_entropies > 0
    is_best = information >= information.max(axis=0) - TIE * factor_entropies
    is_best &= (live | ~live.any())[:, None]
    joint = code_entropies[:, None] + factor_entropies - information
    return joint.min(axis=0, where=is_best, initial=np.inf) - top_two_gap(information)
