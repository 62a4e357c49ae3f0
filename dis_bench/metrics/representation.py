"""A representation as a table: codes beside factors, checked once and shared by metrics.

Every metric reads a :class:`Representation`. It shuffles the rows once, drops constant factors, and caches
inputs that metrics share: bins, mutual information, entropies.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dis_bench.errors import InputError, shown
from dis_bench.metrics.inputs import (
    RankedFactors,
    check_codes,
    check_count,
    check_factors,
    check_log_variances,
    rank_factors,
)
from dis_bench.neutral import neutral

T = TypeVar("T")
Codes = NDArray[np.float64]
Factors = NDArray[np.int64]

MOST_CODES = 1_000  # for metrics that fit models to each code, or compare all pairs of them
MOST_BINS = 1_000  # two codes then have a million pairs of bins


class Rows(NamedTuple):
    """Some rows of a representation: codes float64 [n, D] and factors int64 [n, F]."""

    codes: Codes
    factors: Factors


class Representation:
    """Codes [N, D] beside the ground-truth factors [N, F] of the same N images.

    Attributes:
        codes: float64 [N, D], shuffled, read-only.
        log_variances: float64 [N, D] in the same order, read-only, or ``None`` if not given.
        factors: int64 [N, F] in the same order, read-only, without the dropped ones. Each value is replaced
            by its rank among the values that occur, so that factor j has the values 0 to
            ``factor_sizes[j] - 1``.
        factor_sizes: int64 [F], the number of values of each factor that occur.
        kept_factors: int64 [F], the column of each factor in the given table.
        dropped_factors: the columns that have a single value; no metric sees them.
        has_factors: False if they are unknown; ``factors`` is then [N, 0].
        seed: as given.
        allow_small: as given.
        small: the columns of the scores that were computed from fewer rows than their protocol needs.
        per_factor: of scores that compare factors, one number for each factor [F], by column; read-only.
        importances: how much each code counts for each factor [D, F], by metric; read-only.
        counted: the codes that each metric counted, for metrics that leave out codes of little variance.

    Args:
        codes: numbers [N, D], as an array or a torch tensor; NaN and infinity are refused.
        factors: whole numbers [N, F], the class of each factor; None if they are unknown, which leaves only
            metrics that look at codes alone.
        log_variances: numbers [N, D]: if the codes are means of Gaussian posteriors, the logarithms of their
            variances. Most metrics do not need them.
        seed: seed of the shuffle of the rows, which makes the split of sorted input fair, and of whatever
            metrics draw. ``None`` keeps the given order: the first rows train, the next ones test; metrics
            then draw as with seed 0.
        allow_small: if a protocol needs more rows than there are, use those there are and mark the scores,
            instead of raising an error.

    Raises:
        InputError: the arrays cannot be scored; the message names the code or factor, and the row.

    Example:
        >>> table = Representation([[0.5, 2.0], [0.1, 2.0], [0.9, 2.0]], [[7, 1], [3, 1], [9, 1]], seed=None)
        >>> table.factors[:, 0], table.dropped_factors, table.live_codes(3)
        (array([1, 0, 2]), (1,), array([ True, False]))
    """

    @neutral()
    def __init__(
        self,
        codes: ArrayLike,
        factors: ArrayLike | None,
        *,
        log_variances: ArrayLike | None = None,
        seed: int | None = 0,
        allow_small: bool = False,
    ) -> None:
        if seed is not None:
            check_count("seed", seed, least=0)
        if not isinstance(allow_small, bool | np.bool_):
            raise InputError(f"allow_small must be True or False, but {shown(allow_small)} was given.")
        given_codes, given_factors = _check_pair(codes, factors)
        if log_variances is not None:
            log_variances = check_log_variances(log_variances, given_codes.shape)
        self.seed = None if seed is None else int(seed)
        self.allow_small = bool(allow_small)
        self.small: set[str] = set()
        self.per_factor: dict[str, NDArray[np.float64]] = {}
        self.importances: dict[str, NDArray[np.float64]] = {}
        self.counted: dict[str, tuple[int, ...]] = {}
        self._shared: dict[Hashable, Any] = {}

        self.has_factors = given_factors.shape[1] > 0
        ranked = rank_factors(given_factors) if self.has_factors else _rank_none(given_factors)
        ranks, self.factor_sizes, self.kept_factors, self.dropped_factors = ranked
        order = slice(None) if seed is None else self.generator("rows").permutation(len(given_codes))
        self.codes: Codes = given_codes[order]
        self.factors: Factors = ranks[order]
        self.codes.flags.writeable = self.factors.flags.writeable = False
        self.log_variances: Codes | None = None
        if log_variances is not None:
            self.log_variances = log_variances[order]
            self.log_variances.flags.writeable = False

    def __len__(self) -> int:
        """Return the number of rows N."""
        return len(self.codes)

    def list_given(self) -> list[str]:
        """List the inputs that were given beside codes and factors, as in ``needs``."""
        return [] if self.log_variances is None else ["log_variances"]

    def with_codes(self, codes: ArrayLike, log_variances: ArrayLike | None = None) -> Representation:
        """Return the same factors in the same order, beside other codes [N, D].

        Args:
            codes: in the order of :attr:`factors`; D may differ.
            log_variances: of the same shape as the codes, or None.

        Raises:
            InputError: codes that cannot be scored, or another number of rows.
        """
        codes = check_codes(codes)
        if len(codes) != len(self):
            raise InputError(
                f"there are {len(self)} rows of factors, but {len(codes)} rows of codes were given."
            )
        if log_variances is not None:
            log_variances = check_log_variances(log_variances, codes.shape)
        return self._replace(codes, self.factors, log_variances)

    def take(self, positions: NDArray[np.int64]) -> Representation:
        """Return the rows at some positions [n], which may repeat.

        Factor values keep their ranks.
        """
        log_variances = None if self.log_variances is None else self.log_variances[positions]
        return self._replace(self.codes[positions], self.factors[positions], log_variances)

    def _replace(self, codes: Codes, factors: Factors, log_variances: Codes | None) -> Representation:
        other = copy.copy(self)
        other.codes, other.factors, other.log_variances = codes, factors, log_variances
        for table in (codes, factors, log_variances):
            if table is not None:
                table.flags.writeable = False
        other.small, other.counted, other._shared = set(), {}, {}
        other.per_factor, other.importances = {}, {}
        return other

    def keep_per_factor(self, column: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Keep the scores of single factors [F] for reports, and return them.

        Args:
            column: the column of the score that summarises them: ``mig``, ``dci_completeness``.
            scores: one number per factor.
        """
        self.per_factor[column] = _freeze(scores)
        return scores

    def keep_importances(self, metric: str, importances: NDArray[np.float64]) -> None:
        """Keep how much each code counts for each factor [D, F] for reports."""
        self.importances[metric] = _freeze(importances)

    def count_codes(self, metric: str, codes: NDArray[np.integer]) -> None:
        """Note the codes [n] that a metric counts, for readers of its score."""
        self.counted[metric] = tuple(codes.tolist())

    def list_mostly_dropped(self) -> dict[str, int]:
        """Return the number of codes left out, for metrics that leave out most of them."""
        width = self.codes.shape[1]
        dropped = {metric: width - len(codes) for metric, codes in self.counted.items()}
        return {metric: count for metric, count in dropped.items() if 2 * count > width}

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a random generator that depends only on the seed and on the purpose."""
        return np.random.default_rng([self.seed or 0, zlib.crc32(purpose.encode())])

    def shared(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return ``compute()``, called once per key.

        Arrays, also those in a tuple, become read-only, since no metric may change what the next one reads.
        """
        if key not in self._shared:
            self._shared[key] = _freeze(compute())
        return self._shared[key]

    def rows(self, n: int) -> Rows:
        """Return the first ``n`` rows of the shuffled table.

        Raises:
            InputError: there are fewer, or a factor has a single value in them.
        """
        first = Rows(self.first_codes(n), self.factors[:n])
        single = np.flatnonzero((first.factors == first.factors[0]).all(axis=0))
        if single.size:
            shuffle = ", or a seed, which shuffles them" if self.seed is None else ""
            raise InputError(
                f"factor {self.kept_factors[single[0]]} has a single value in the {n} rows that the "
                f"protocol reads: leave it out, or give rows in which it varies{shuffle}."
            )
        return first

    def first_codes(self, n: int) -> NDArray[np.float64]:
        """Return the codes [n, D] of the first ``n`` shuffled rows.

        They may be read whatever the factors are.

        Raises:
            InputError: there are fewer.
        """
        check_count("rows", n, least=2)
        if n > len(self):
            raise InputError(
                f"{n} rows are needed, but there are {len(self)}: give more rows, or ask for fewer."
            )
        return self.codes[:n]

    def split(self, train: int, test: int) -> tuple[Rows, Rows]:
        """Return the first ``train`` rows and the next ``test`` rows.

        Raises:
            InputError: there are fewer, or a factor has a single value in the training rows.
        """
        check_count("train", train, least=2)
        check_count("test", test, least=1)
        if train + test > len(self):
            raise InputError(
                f"{train} training and {test} test rows are needed, but there are {len(self)}: give more "
                "rows, or ask for fewer."
            )
        end = train + test
        return self.rows(train), Rows(self.codes[train:end], self.factors[train:end])

    def live_codes(self, rows: int) -> NDArray[np.bool_]:
        """Return a mask [D] of the codes that vary in the first ``rows`` rows.

        The others are dead. Values are compared directly, because rounding can give a constant code a
        variance above zero.
        """
        return np.ptp(self.first_codes(rows), axis=0) > 0

    def bins(self, n_bins: int, rows: int) -> NDArray[np.int64]:
        """Return the bin numbers [rows, D] of the codes, from 0 to ``n_bins - 1``.

        Bins have equal width over each code's range. Their edges are computed in float64 whatever the dtype
        of the codes, which matters for values exactly on an edge: in disentanglement_lib they depend on the
        dtype and on numpy's version.
        """
        check_bins(n_bins)

        def compute() -> NDArray[np.int64]:
            return np.stack([equal_width_bins(code, n_bins) for code in self.first_codes(rows).T], axis=1)

        return self.shared(("bins", n_bins, rows), compute)

    def mutual_information(self, n_bins: int, rows: int) -> NDArray[np.float64]:
        """Return I(binned code; factor) [D, F] in nats.

        It is the plug-in estimate from the counts of the first ``rows`` rows.
        """

        def compute() -> NDArray[np.float64]:
            bins, factors = self.bins(n_bins, rows), self.rows(rows).factors
            information = np.empty((bins.shape[1], factors.shape[1]))
            for j, size in enumerate(self.factor_sizes):
                for i, code in enumerate(bins.T):
                    information[i, j] = count_information(code, n_bins, factors[:, j], size)
            return information

        return self.shared(("mutual_information", n_bins, rows), compute)

    def code_entropies(self, n_bins: int, rows: int) -> NDArray[np.float64]:
        """Return H(binned code) [D] in nats.

        It is the plug-in estimate from the counts of the first ``rows`` rows.
        """

        def compute() -> NDArray[np.float64]:
            return np.array([_entropy(np.bincount(column) / rows) for column in self.bins(n_bins, rows).T])

        return self.shared(("code_entropies", n_bins, rows), compute)

    def factor_entropies(self, rows: int) -> NDArray[np.float64]:
        """Return H(factor) [F] in nats.

        It is the plug-in estimate from the counts of the first ``rows`` rows.
        """

        def compute() -> NDArray[np.float64]:
            factors = self.rows(rows).factors
            return np.array([_entropy(np.bincount(column) / rows) for column in factors.T])

        return self.shared(("factor_entropies", rows), compute)


def _freeze(value: T) -> T:
    """Make an array, or the arrays in a tuple, read-only."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, tuple):
        for part in value:
            _freeze(part)
    return value


def check_bins(n_bins: int) -> None:
    """Raise InputError if a number of bins is not from 1 to 1,000."""
    check_count("bins", n_bins, least=1, most=MOST_BINS)


def equal_width_bins(values: NDArray[Any], n_bins: int) -> NDArray[np.int64]:
    """Assign values [N] to bins of equal width over their range, numbered from 0."""
    # One linspace per code: for several at once, numpy rounds differently if any of them is constant.
    left_edges = np.linspace(values.min(), values.max(), n_bins + 1)[:-1]
    # The edges of a constant code coincide, so that all its rows fall into one bin, the last.
    return np.searchsorted(left_edges, values, side="right") - 1


def _entropy(probabilities: NDArray[np.float64]) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())


def count_information(
    first: NDArray[np.int64], first_size: int, second: NDArray[np.int64], second_size: int
) -> float:
    """Compute the mutual information in nats of two columns of classes [N]."""
    joint = np.bincount(first * second_size + second, minlength=first_size * second_size)
    return information_of(joint.reshape(first_size, second_size) / len(first))


def information_of(joint: NDArray[np.float64]) -> float:
    """Compute the mutual information in nats of a joint distribution [A, B]."""
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    positive = joint > 0
    # Only rounding can take it below zero.
    return max(0.0, float((joint[positive] * np.log(joint[positive] / independent[positive])).sum()))


def _rank_none(factors: NDArray[Any]) -> RankedFactors:
    """Return ranks [N, 0] of no factors."""
    none = np.empty(0, dtype=np.int64)
    return RankedFactors(factors.astype(np.int64), none, none, ())


def _check_pair(codes: ArrayLike, factors: ArrayLike | None) -> tuple[Codes, NDArray[Any]]:
    """Check codes and factors: tables with the same number of rows, at least 2."""
    table = check_codes(codes)
    classes = np.empty((len(table), 0), dtype=np.int64) if factors is None else check_factors(factors)
    if len(table) != len(classes):
        raise InputError(
            f"codes and factors must both have one row per image, but there are {len(table)} rows of codes "
            f"and {len(classes)} rows of factors."
        )
    if len(table) < 2:
        raise InputError(f"a representation needs at least 2 rows, but {len(table)} was given.")
    return table, classes
