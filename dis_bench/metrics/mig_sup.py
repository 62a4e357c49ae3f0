"""MIG-sup, the mutual information gap the other way round: between factors, for each code."""

from __future__ import annotations

import numpy as np

from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(source="Li et al. 2020; codes discretised as for MIG in Locatello et al. 2019")
def mig_sup(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, prune_std: float = 0.0
) -> float:
    """How much more a code tells of its best factor than of its second best.

    1 means that no code tells anything of a second factor. MIG asks whether a factor has one code; this asks
    whether a code has one factor, and sees two factors in one code where MIG does not. Bins limit it in the
    same way. Codes of noise count, with a gap of about 0; dead codes do not.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: how many.
        bins: of equal width over each code's range.
        prune_std: smallest standard deviation of a code that counts. The authors' program has 0.1, which
            suits codes of unit variance only.

    Returns:
        The mean over codes, from 0 to 1; 0 if no code counts.

    Raises:
        InputError: too few rows, or no bins.
    """
    deviations = representation.rows(rows).codes.std(axis=0)
    counted = representation.live_codes(rows) & (deviations >= prune_std)
    if not counted.any():
        return 0.0
    shares = representation.mutual_information(bins, rows) / representation.factor_entropies(rows)
    return float(np.mean(top_two_gap(shares[counted].T)))
