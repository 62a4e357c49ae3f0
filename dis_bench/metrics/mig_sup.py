"""MIG-sup, the mutual information gap between the two best factors of each code."""

from __future__ import annotations

import numpy as np

from dis_bench.metrics.estimators.standardise import remove_offset
from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


@metric(
    source="Li et al. 2020; codes discretised as for MIG in Locatello et al. 2019", version=2, label="MIG-sup"
)
def mig_sup(
    representation: Representation, *, rows: int = 10_000, bins: int = 20, prune_std: float = 0.0
) -> float:
    """Compute the gap in mutual information between a code's two best factors.

    1 means that no code carries information about a second factor. MIG asks whether a factor has one code;
    MIG-sup asks whether a code has one factor, and detects two factors in one code, which MIG does not. Bins
    limit it in the same way. Noise codes count, with a gap of about 0; dead codes do not.

    Args:
        representation: codes and factors; the first ``rows`` rows are read.
        rows: number of rows.
        bins: number of bins, of equal width over each code's range.
        prune_std: smallest standard deviation of a code that counts. The authors' program uses 0.1, which
            suits only codes of unit variance.

    Returns:
        The gap in shares of the factors' entropies, averaged over codes, from 0 to 1; 0 if no code counts.

    Raises:
        InputError: too few rows, or no bins.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> [round(mig_sup(codes, factors, rows=600), 1) for codes in (factors, factors[:, ::-1], noise)]
        [1.0, 1.0, 0.0]
    """
    deviations = remove_offset(representation.rows(rows).codes).std(axis=0)
    counted = representation.live_codes(rows) & (deviations >= prune_std)
    representation.count_codes("mig_sup", np.flatnonzero(counted))
    if not counted.any():
        return 0.0
    shares = representation.mutual_information(bins, rows) / representation.factor_entropies(rows)
    return float(np.mean(top_two_gap(shares[counted].T)))
