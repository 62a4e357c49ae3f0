"""UDR, the unsupervised disentanglement ranking: do models of a study agree on latents?

It is not a metric of one representation: it scores each model by how well its codes match, one to one, the
codes of other models of the same images. It needs no factors.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dis_bench.bars import bar
from dis_bench.errors import InputError, shown, unknown
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.inputs import check_codes
from dis_bench.metrics.protocols import check_value
from dis_bench.neutral import neutral

CORRELATIONS = ("lasso", "spearman")
TOLERANCE = 1e-6  # the lasso stops when no weight changes by more than this,
SWEEPS = 1_000  # or after this many passes over the codes

Array = NDArray[np.float64]


@neutral()
def udr(
    codes_of_models: Sequence[ArrayLike],
    kl: Sequence[ArrayLike] | None = None,
    *,
    correlation: str = "lasso",
    kl_threshold: float = 0.01,
    alpha: float = 0.1,
) -> Array:
    """Score each model of a study by how well its codes match those of the others.

    Args:
        codes_of_models: codes [N, D] of at least two models, for the same N images in the same order; D may
            differ. The paper compares models that differ only in their seed.
        kl: for each model, the KL divergence of each latent from its prior [D] in nats, averaged over images.
        correlation: ``lasso``, the weights with which one model's codes predict the other's, or ``spearman``,
            rank correlations.
        kl_threshold: if ``kl`` is given, latents with a KL of at most this are left out. Constant codes are
            always left out.
        alpha: weight of the lasso's penalty; positive.

    Returns:
        One score per model [M], from 0 to 1: the median of :func:`relative_strength` over the other models. A
        model whose latents are all left out scores 0.

    Raises:
        InputError: fewer than two models, tables of different lengths, or a ``kl`` that does not fit.

    References:
        Duan et al., "Unsupervised model selection for variational disentangled representation learning",
        ICLR 2020. As in the authors' program, rows and columns are averaged separately.

    Example:
        Codes that match score 1 - alpha in any order, since the lasso shrinks; noise matches nothing:

        >>> import numpy as np
        >>> codes, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
        >>> for other in (codes, -codes[:, ::-1], noise):
        ...     print(udr([codes, other]).round(1))
        [0.9 0.9]
        [0.9 0.9]
        [0. 0.]
    """
    pairs = udr_of_pairs(codes_of_models, kl, correlation=correlation, kl_threshold=kl_threshold, alpha=alpha)
    others = ~np.eye(len(pairs), dtype=bool)
    return np.array([np.median(pairs[others[:, model], model]) for model in range(len(pairs))])


@neutral()
def udr_of_pairs(
    codes_of_models: Sequence[ArrayLike],
    kl: Sequence[ArrayLike] | None = None,
    *,
    correlation: str = "lasso",
    kl_threshold: float = 0.01,
    alpha: float = 0.1,
) -> Array:
    """Compute the relative strength [M, M] of each pair of models.

    The row's model predicts the column's; the diagonal is 0. Arguments and errors are those of :func:`udr`.
    """
    from threadpoolctl import threadpool_limits

    correlation = check_value("correlation of udr", correlation, "lasso")
    if correlation not in CORRELATIONS:
        raise unknown("correlation of udr", correlation, CORRELATIONS)
    alpha = check_value("alpha of udr", alpha, 0.1)
    kl_threshold = check_value("kl_threshold of udr", kl_threshold, 0.01)
    if alpha <= 0:
        raise InputError(f"alpha must be positive, but {alpha} was given.")
    tables = _informative_codes(codes_of_models, kl, kl_threshold)
    if correlation == "spearman":
        tables = [_rank(table) for table in tables]
    tables = [standardise(table) for table in tables]
    together, edges = np.hstack(tables), np.cumsum([0, *(table.shape[1] for table in tables)])
    with threadpool_limits(1, user_api="blas"):  # a product this narrow is slower on several threads
        correlations = together.T @ together / len(together)
    own = [slice(*ends) for ends in pairwise(edges)]
    pairs = np.empty((len(tables), len(tables)))
    for i, rows in enumerate(bar(own, "udr", unit="model")):
        weights = correlations[rows]
        if correlation == "lasso":
            weights = lasso_weights(weights[:, rows], weights, alpha)
        pairs[i] = [relative_strength(np.abs(weights[:, columns])) for columns in own]
    np.fill_diagonal(pairs, 0)
    return pairs


def relative_strength(correlations: Array) -> float:
    """Measure how far two models' codes match one to one, from 0 to 1.

    For each row and each column, the squared largest entry is divided by the sum. The result is averaged over
    rows, over columns, and over the two averages. A row of zeros counts as 0.

    Args:
        correlations: absolute correlations [A, B] of the two models' codes.
    """
    if correlations.size == 0:
        return 0.0
    return float((_strengths(correlations).mean() + _strengths(correlations.T).mean()) / 2)


def lasso_weights(among: Array, between: Array, alpha: float) -> Array:
    """Fit lasso weights [A, B] of A codes that predict each of B codes.

    All codes are standardised. The weights minimise half the mean squared error plus ``alpha`` times the sum
    of absolute weights, by coordinate descent. As in the authors' program, it stops early where two codes are
    nearly the same (a noise of 0.01 in the copy): UDR is then lower than at the minimum, by up to 0.05.

    Args:
        among: correlations of the A codes [A, A].
        between: correlations of the A codes with the B codes [A, B].
        alpha: weight of the penalty.
    """
    weights = np.zeros(between.shape)
    for _ in range(SWEEPS):
        before = weights.copy()
        for a, correlations in enumerate(among):
            left = between[a] - correlations @ weights + weights[a]  # correlation with the others' residuals
            weights[a] = np.sign(left) * np.maximum(np.abs(left) - alpha, 0)
        if np.abs(weights - before).max(initial=0) < TOLERANCE:
            break
    return weights


def _strengths(correlations: Array) -> Array:
    """Divide the squared largest entry of each row by its sum [R]; 0 if all are 0."""
    totals = correlations.sum(axis=1)
    largest = correlations.max(axis=1)
    return np.divide(largest**2, totals, out=np.zeros_like(totals), where=totals > 0)


def _rank(table: Array) -> Array:
    """Rank the values within each code [N, D]; equal values share a rank."""
    from scipy.stats import rankdata

    return rankdata(table, axis=0)


def _informative_codes(
    codes_of_models: Sequence[ArrayLike], kl: Sequence[ArrayLike] | None, kl_threshold: float
) -> list[Array]:
    """Select each model's codes [N, d] that vary, with a KL above the threshold."""
    tables = [_check(codes, model) for model, codes in enumerate(_list("the codes", codes_of_models))]
    if len(tables) < 2:
        raise InputError(f"udr compares models and needs at least two, but {len(tables)} was given.")
    if len(tables[0]) < 2:
        raise InputError(f"udr needs at least 2 rows, but {len(tables[0])} was given.")
    for model, table in enumerate(tables):
        if len(table) != len(tables[0]):
            raise InputError(
                f"udr needs codes of the same images, but model 0 has {len(tables[0])} rows and model "
                f"{model} has {len(table)}."
            )
    informative = [np.ptp(table, axis=0) > 0 for table in tables]
    if kl is not None:
        kl = _list("the KL", kl)
        if len(kl) != len(tables):
            raise InputError(f"udr was given {len(tables)} models but the KL of {len(kl)}.")
        for model, (kept, divergences) in enumerate(zip(informative, kl, strict=True)):
            kept &= _check_kl(divergences, kept.size, model) > kl_threshold
    return [table[:, kept] for table, kept in zip(tables, informative, strict=True)]


def _list(what: str, of_models: Sequence[ArrayLike]) -> list[ArrayLike]:
    try:
        return list(of_models)
    except TypeError:
        raise InputError(
            f"udr needs {what} of each model in a list, but {shown(of_models)} was given."
        ) from None


def _check(codes: ArrayLike, model: int) -> Array:
    try:
        return check_codes(codes)
    except InputError as error:
        raise InputError(f"model {model}: {error}") from None


def _check_kl(given: ArrayLike, n_codes: int, model: int) -> Array:
    try:
        divergences = np.asarray(given, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # words, rows of different lengths, tensors with gradients
        divergences = np.array(np.nan)
    if divergences.shape != (n_codes,) or not np.isfinite(divergences).all():
        raise InputError(
            f"the KL of model {model} must be {n_codes} finite numbers, one per code, but "
            f"{reprlib.repr(given)} was given."
        )
    return divergences
