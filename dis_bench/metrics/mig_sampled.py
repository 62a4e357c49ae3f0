"""MIG as first published: with the posteriors themselves instead of bins of their means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import remove_offset
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig import gap_per_factor
from dis_bench.metrics.representation import Representation

Array = NDArray[np.float64]

CHUNK = 2**18  # densities in memory at once: at most 2 MB, so that they stay in the cache
# Single precision takes half the time or less. It distinguishes about 10^7 values over the range of a latent,
# so a posterior wider than this share of the range is resolved to three digits.
WIDE_ENOUGH = 1e-4
NEXT_TO_NOTHING = -600.0  # lower log-densities are raised to this


@metric(
    needs=("log_variances",),
    source="Chen et al. 2018, section 4 and its estimator of entropies",
    version=2,
    label="MIG (posterior)",
    slow=True,
)
def mig_sampled(representation: Representation, *, rows: int = 10_000, samples: int = 10_000) -> float:
    """Compute the gap in mutual information between a factor's two best posteriors.

    Latents are drawn from the posterior of each row. Their information about a factor is how much more likely
    they are under the posteriors of the rows with the same value than under those of all rows. There are no
    bins, and posterior noise reduces the information. A latent whose posterior is its prior has none.

    On the whole grid this is what the paper defines. On a sample of the grid it is an estimate, too high
    where posteriors are so narrow that few of them overlap: then any latent identifies rows, and thereby
    every factor.

    Args:
        representation: posterior means, log-variances and factors; the first ``rows`` rows are read.
        rows: number of rows; time grows with its square.
        samples: least number of draws in all; each row is drawn equally often.

    Returns:
        The gap over the factor's entropy, averaged over factors, from 0 to 1.

    Raises:
        InputError: no log-variances, too few rows, or no samples.

    Example:
        The factors score 1 in any order, and noise 0; so do the factors, if their posteriors are wide:

        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(600, 3))
        >>> noise = np.random.default_rng(1).standard_normal((600, 3))
        >>> few = {"rows": 600, "samples": 600}
        >>> for codes, width in [(factors, 0.1), (factors[:, ::-1], 0.1), (noise, 0.1), (factors, 10.0)]:
        ...     log_variances = np.full(codes.shape, 2 * np.log(width))
        ...     print(round(mig_sampled(codes, factors, log_variances=log_variances, **few), 1))
        1.0
        1.0
        0.0
        0.0
    """
    information = posterior_information(representation, rows, samples)
    gaps = gap_per_factor(information, representation.factor_entropies(rows))
    return float(representation.keep_per_factor("mig_sampled", gaps).mean())


def posterior_information(representation: Representation, rows: int, samples: int) -> Array:
    """Estimate I(latent; factor) [D, F] in nats under the mixture of posteriors.

    It is the mean over draws of log q(z | factor) - log q(z). Both densities are mixtures with equal weights:
    of the posteriors of the rows with the same value, and of those of all rows.

    Args:
        representation: posterior means, log-variances and factors.
        rows: number of rows that are read.
        samples: least number of draws in all.

    Raises:
        InputError: ``samples`` is below 1.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, but {samples} was given.")

    def estimate() -> Array:
        codes, factors = representation.rows(rows)
        codes = remove_offset(codes)
        assert representation.log_variances is not None  # the metric declares that it needs them
        log_variances = representation.log_variances[:rows]
        # Each latent is scored on its own, so all can share the noise, and their order does not matter.
        noise = representation.generator("mig_sampled").standard_normal((-(-samples // rows), rows))

        def tell(latent: int) -> Array:
            return _information_of_latent(codes[:, latent], log_variances[:, latent], noise, factors)

        return np.stack(map_threads(tell, range(codes.shape[1]), "mig_sampled", "latent"))

    return representation.shared(("posterior information", rows, samples), estimate)


def _information_of_latent(
    means: Array, log_variances: Array, noise: Array, factors: NDArray[np.int64]
) -> Array:
    """Estimate I(latent; factor) [F] of one latent in nats.

    Args:
        means: [N].
        log_variances: [N].
        noise: standard normal [R, N]; R draws per row.
        factors: [N, F].
    """
    draws = means + np.exp(log_variances / 2) * noise
    origin, unit = draws.min(), np.ptp(draws) or 1.0
    log_deviations = log_variances / 2 - np.log(unit)
    precision = np.float32 if log_deviations.min() > np.log(WIDE_ENOUGH) else np.float64
    draws, means = (((values - origin) / unit).astype(precision) for values in (draws, means))
    log_deviations = log_deviations.astype(precision)
    of_all = _sum_log_mixture(draws, means, log_deviations)
    information = np.empty(factors.shape[1])
    for k, factor in enumerate(factors.T):
        of_same_value = 0.0
        for value in np.unique(factor):
            same = factor == value
            of_same_value += _sum_log_mixture(draws[:, same], means[same], log_deviations[same])
        information[k] = max(0.0, (of_same_value - of_all) / draws.size)
    return information


def _sum_log_mixture(draws: NDArray[Any], means: NDArray[Any], log_deviations: NDArray[Any]) -> float:
    """Sum a mixture's log-density over draws [R, n], up to a constant per draw.

    The mixture has n Gaussians of equal weight. Each draw comes from one of them, so no density vanishes.
    """
    draws = draws.reshape(-1, 1)
    slopes = np.exp(-log_deviations) * means.dtype.type(np.sqrt(0.5))
    total = 0.0
    step = max(1, CHUNK // len(means))
    for begin in range(0, len(draws), step):
        distances = draws[begin : begin + step] - means
        distances *= slopes
        distances *= distances
        np.subtract(-log_deviations, distances, out=distances)
        if distances.dtype == np.float64:  # subnormal numbers would be slow
            np.maximum(distances, NEXT_TO_NOTHING, out=distances)
        densities = np.exp(distances, out=distances).sum(axis=1)
        total += np.log(densities, dtype=np.float64).sum()
    return float(total - len(draws) * np.log(len(means)))
