"""MIG, the mutual information gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(
    source="Chen et al. 2018, section 4; discretised as in Locatello et al. 2019",
    label="MIG",
    leads=True,
    perfect={"dsprites": 0.895},
)
def mig(representation: Representation, *, rows: int = 10_000, bins: int = 20) -> float:
    """Compute the gap in mutual information between a factor's two best codes.

    1 means that each factor is in one code and in no other. 0 means that its two best codes carry equally
    much information: either none, or the same. Bins limit the score: 20 bins cannot resolve the 32 and 40
    values of dSprites, where a perfect code scores 0.895. Because bins have equal width, bending a code
    changes the score, and a single outlier puts nearly all other values into one bin.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows; fewer rows raise the estimated information of unrelated codes.
        bins: number of bins, of equal width over each code's range.

    Returns:
        The gap over the factor's entropy, averaged over factors, from 0 to 1.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(mig(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.0]
    """
    information = representation.mutual_information(bins, rows)
    gaps = gap_per_factor(information, representation.factor_entropies(rows))
    return float(representation.keep_per_factor("mig", gaps).mean())


def gap_per_factor(
    information: NDArray[np.float64], factor_entropies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute each factor's gap [F] as a share of its entropy.

    Args:
        information: I(code; factor) [D, F] in nats.
        factor_entropies: H(factor) [F] in nats.
    """
    return top_two_gap(information) / factor_entropies
