"""MIG as first published: with the posteriors themselves, not with bins of their means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig import gap_per_factor
from dis_bench.metrics.representation import Representation

Array = NDArray[np.float64]

CHUNK = 2**18  # densities that are in memory at once: 2 MB at most, so that they stay in the cache
# Single precision takes half the time or less. It tells some 10^7 places of a latent apart, so that the width
# of a posterior wider than this share of the latent's range keeps three digits.
WIDE_ENOUGH = 1e-4
NEXT_TO_NOTHING = -600.0  # log-densities below it are raised to it


@metric(needs=("log_variances",), source="Chen et al. 2018, section 4 and its estimator of entropies")
def mig_sampled(representation: Representation, *, rows: int = 10_000, samples: int = 10_000) -> float:
    """How much more the best latent's posterior tells of a factor than the second best latent's does.

    Latents are drawn from the posterior of each row. What they tell of a factor is how much more likely they
    are under the posteriors of the rows of the same value than under those of all rows: there are no bins,
    and noise in a latent counts as what it hides. A latent that equals its prior tells nothing.

    The whole grid gives what the paper defines. A sample of it gives an estimate, too high where posteriors
    are so narrow that few of them overlap: then a latent tells rows apart, whatever factor that is by.

    Args:
        representation: posterior means, log-variances and factors; the first ``rows`` rows are read.
        rows: how many. Time grows with their square.
        samples: how many draws there are at least; each row gives equally many.

    Returns:
        The mean over factors, from 0 to 1.

    Raises:
        InputError: no log-variances, too few rows, or no samples.
    """
    information = posterior_information(representation, rows, samples)
    return float(gap_per_factor(information, representation.factor_entropies(rows)).mean())


def posterior_information(representation: Representation, rows: int, samples: int) -> Array:
    """I(latent; factor) [D, F] in nats, of latents that follow the mixture of the rows' posteriors.

    It is the mean of log q(z | factor) - log q(z) over the draws, where both densities are mixtures with
    equal weights: of the posteriors of the rows with the same value, and of all rows.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, but {samples} was given.")

    def estimate() -> Array:
        codes, factors = representation.rows(rows)
        assert representation.log_variances is not None  # as the metric needs them
        log_variances = representation.log_variances[:rows]
        # One latent is looked at at a time, so all may share their noise: their order does not matter then.
        noise = representation.generator("mig_sampled").standard_normal((-(-samples // rows), rows))

        def tell(latent: int) -> Array:
            return _information_of_latent(codes[:, latent], log_variances[:, latent], noise, factors)

        return np.stack(map_threads(tell, range(codes.shape[1]), "mig_sampled", "latent"))

    return representation.shared(("posterior information", rows, samples), estimate)


def _information_of_latent(
    means: Array, log_variances: Array, noise: Array, factors: NDArray[np.int64]
) -> Array:
    """I(latent; factor) [F] of one latent from means and log-variances [N] and noise [R, N]."""
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
    """The sum over draws [R, n] of the log-density of a mixture of n Gaussians, but for a constant.

    Each draw comes from one of the Gaussians, so that no density vanishes.
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
        if distances.dtype == np.float64:  # of which the smallest numbers are slow
            np.maximum(distances, NEXT_TO_NOTHING, out=distances)
        densities = np.exp(distances, out=distances).sum(axis=1)
        total += np.log(densities, dtype=np.float64).sum()
    return float(total - len(draws) * np.log(len(means)))
