"""JEMMIG, the joint entropy less the mutual information gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Do and Tran 2020, normalised; codes discretised as for MIG in Locatello et al. 2019")
def jemmig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """How little there is in a factor's best code besides the factor, and of the factor in another code.

    For each factor: the joint entropy of the factor and its best code, less the gap in mutual information to
    the second best. That is 0 for a code that is the factor and nothing else, so that two factors in one code
    and noise in a code cost, which MIG forgives. It is turned round and scaled by the largest possible joint
    entropy.

    A dead code adds no entropy. If all codes are dead, the score is therefore not 0 but the mean of
    ``log(bins) / (H(factor) + log(bins))``.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        bins: of equal width over each code's range.

    Returns:
        The mean over factors, from 0 to 1, the highest for the factors themselves.

    Raises:
        InputError: too few rows, or no bins.
    """
    excess = joint_entropy_less_gap(
        representation.mutual_information(bins, rows),
        representation.code_entropies(bins, rows),
        representation.factor_entropies(rows),
    )
    largest = representation.factor_entropies(rows) + np.log(bins)
    return float((1 - excess / largest).mean())


def joint_entropy_less_gap(
    information: NDArray[np.float64],
    code_entropies: NDArray[np.float64],
    factor_entropies: NDArray[np.float64],
) -> NDArray[np.float64]:
    """H(z*; v) - (I(z*; v) - I(z'; v)) [F] of each factor's best and second best code, in nats.

    Args:
        information: [D, F], of codes and factors.
        code_entropies: [D].
        factor_entropies: [F].
    """
    best = information.argmax(axis=0)
    joint = code_entropies[best] + factor_entropies - information.max(axis=0)
    return joint - top_two_gap(information)
