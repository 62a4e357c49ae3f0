"""A representation as a table: codes beside factors, checked once, with what several metrics need of it.

Every metric reads a :class:`Representation`. It shuffles the rows once, drops factors that have one value
only, and computes shared inputs (bins, mutual information, entropies) for the first metric that asks.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable
from numbers import Integral
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dis_bench.errors import InputError

T = TypeVar("T")
Codes = NDArray[np.float64]
Factors = NDArray[np.int64]

LARGEST_CODE = float(np.finfo(np.float32).max)  # tree learners read codes as float32
LARGEST_FACTOR = 2**53  # above it a float does not hold every whole number
LARGEST_LOG_VARIANCE = 200.0  # densities and their ratios stay within float64


class Rows(NamedTuple):
    """Some rows of a representation: codes float64 [n, D] and factors int64 [n, F]."""

    codes: Codes
    factors: Factors


class Representation:
    """Codes [N, D] beside the ground-truth factors [N, F] of the same N images.

    Attributes:
        codes: float64 [N, D], shuffled, read-only.
        log_variances: float64 [N, D] in the same order, read-only, or ``None`` if not given.
        factors: int64 [N, F] in the same order, read-only, without the dropped ones. Each value is
            replaced by its rank among the values that occur, so that factor j runs from 0 to
            ``factor_sizes[j] - 1``.
        factor_sizes: int64 [F], how many values of each factor occur.
        kept_factors: int64 [F], which columns of the given factors they are.
        dropped_factors: the columns that have one value only; no metric sees them.
        seed: as given.

    Args:
        codes: numbers [N, D], as an array or a torch tensor; NaN and infinity are refused.
        factors: whole numbers [N, F], the class of each factor.
        log_variances: numbers [N, D]: where codes are means of Gaussian posteriors, the logarithms of their
            variances. Most metrics do without.
        seed: shuffles the rows, so that sorted input is split fairly, and decides whatever a metric
            draws. ``None`` keeps the given order: the first rows train, the next ones test; metrics that
            draw then draw as with seed 0.

    Raises:
        InputError: the arrays cannot be scored; the message names the code or factor, and the row.
    """

    def __init__(
        self,
        codes: ArrayLike,
        factors: ArrayLike,
        *,
        log_variances: ArrayLike | None = None,
        seed: int | None = 0,
    ) -> None:
        if seed is not None and (not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0):
            raise InputError(f"seed must be a whole number from 0 up, or None, but {seed!r} was given.")
        given_codes, given_factors = check_codes(codes), _check_factors(factors)
        if len(given_codes) != len(given_factors):
            raise InputError(
                f"codes and factors must have one row per image each, but there are {len(given_codes)} rows "
                f"of codes and {len(given_factors)} rows of factors."
            )
        if len(given_codes) < 2:
            raise InputError(f"a representation needs at least 2 rows, but {len(given_codes)} was given.")
        if log_variances is not None:
            log_variances = _check_log_variances(log_variances, given_codes.shape)
        self.seed = None if seed is None else int(seed)
        self._shared: dict[Hashable, Any] = {}

        varies = (given_factors != given_factors[0]).any(axis=0)
        self.kept_factors = np.flatnonzero(varies)
        self.dropped_factors = tuple(np.flatnonzero(~varies).tolist())
        if not varies.any():
            raise InputError("every factor has one value only, so there is nothing to score.")
        ranked = [np.unique(column, return_inverse=True) for column in given_factors[:, varies].T]
        self.factor_sizes = np.array([len(values) for values, _ in ranked])

        order = slice(None) if seed is None else self.generator("rows").permutation(len(given_codes))
        self.codes: Codes = given_codes[order]
        self.factors: Factors = np.stack([ranks for _, ranks in ranked], axis=1)[order].astype(np.int64)
        self.codes.flags.writeable = self.factors.flags.writeable = False
        self.log_variances: Codes | None = None
        if log_variances is not None:
            self.log_variances = log_variances[order]
            self.log_variances.flags.writeable = False

    def __len__(self) -> int:
        """Number of rows N."""
        return len(self.codes)

    def generator(self, purpose: str) -> np.random.Generator:
        """A random generator of this seed's own for one purpose, whatever else was drawn before."""
        return np.random.default_rng([self.seed or 0, zlib.crc32(purpose.encode())])

    def shared(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()``, computed for the first caller and kept for the next ones with the same key.

        An array becomes read-only, as no metric may change what the next one reads.
        """
        if key not in self._shared:
            value = self._shared[key] = compute()
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        return self._shared[key]

    def rows(self, n: int) -> Rows:
        """The first ``n`` rows of the shuffled table.

        Raises:
            InputError: there are fewer, or a factor has one value only in them.
        """
        _check_count("rows", n, least=2)
        if n > len(self):
            raise InputError(
                f"the protocol wants {n} rows, but there are {len(self)}: encode more images, or ask for "
                f"fewer (rows={len(self)})."
            )
        first = Rows(self.codes[:n], self.factors[:n])
        single = np.flatnonzero((first.factors == first.factors[0]).all(axis=0))
        if single.size:
            raise InputError(
                f"factor {self.kept_factors[single[0]]} has one value only in the {n} rows that the "
                "protocol reads: give it more rows, or a seed that shuffles them."
            )
        return first

    def split(self, train: int, test: int) -> tuple[Rows, Rows]:
        """The first ``train`` rows to learn from and the next ``test`` rows to judge by.

        Raises:
            InputError: there are fewer, or a factor has one value only in the training rows.
        """
        _check_count("train", train, least=2)
        _check_count("test", test, least=1)
        if train + test > len(self):
            fewer = max(2, len(self) * 2 // 3)
            raise InputError(
                f"the protocol wants {train} training and {test} test rows, but there are {len(self)}: "
                f"encode more images, or ask for fewer (train={fewer}, test={max(1, len(self) - fewer)})."
            )
        end = train + test
        return self.rows(train), Rows(self.codes[train:end], self.factors[train:end])

    def live_codes(self, rows: int) -> NDArray[np.bool_]:
        """Which codes [D] vary in the first ``rows`` rows; the others are dead.

        Compared value by value: rounding leaves a constant code a variance above zero.
        """
        return np.ptp(self.rows(rows).codes, axis=0) > 0

    def bins(self, n_bins: int, rows: int) -> NDArray[np.int64]:
        """Codes as bin numbers [rows, D] from 0, in bins of equal width over each code's range.

        The edges are computed in float64 whatever the dtype of the codes. Values that lie exactly on an
        edge depend on this; disentanglement_lib leaves it to the dtype and to numpy's version.
        """
        _check_count("bins", n_bins, least=1)

        def compute() -> NDArray[np.int64]:
            return np.stack([equal_width_bins(code, n_bins) for code in self.rows(rows).codes.T], axis=1)

        return self.shared(("bins", n_bins, rows), compute)

    def mutual_information(self, n_bins: int, rows: int) -> NDArray[np.float64]:
        """I(binned code; factor) [D, F] in nats: the plug-in estimate from the counts of ``rows`` rows."""

        def compute() -> NDArray[np.float64]:
            bins, factors = self.bins(n_bins, rows), self.rows(rows).factors
            information = np.empty((bins.shape[1], factors.shape[1]))
            for j, size in enumerate(self.factor_sizes):
                for i, code in enumerate(bins.T):
                    joint = np.bincount(code * size + factors[:, j], minlength=n_bins * size)
                    information[i, j] = information_of(joint.reshape(n_bins, size) / rows)
            return information

        return self.shared(("mutual_information", n_bins, rows), compute)

    def code_entropies(self, n_bins: int, rows: int) -> NDArray[np.float64]:
        """H(binned code) [D] in nats: the plug-in estimate from the counts of ``rows`` rows."""

        def compute() -> NDArray[np.float64]:
            return np.array([_entropy(np.bincount(column) / rows) for column in self.bins(n_bins, rows).T])

        return self.shared(("code_entropies", n_bins, rows), compute)

    def factor_entropies(self, rows: int) -> NDArray[np.float64]:
        """H(factor) [F] in nats: the plug-in estimate from the counts of ``rows`` rows."""

        def compute() -> NDArray[np.float64]:
            factors = self.rows(rows).factors
            return np.array([_entropy(np.bincount(column) / rows) for column in factors.T])

        return self.shared(("factor_entropies", rows), compute)


def equal_width_bins(values: NDArray[Any], n_bins: int) -> NDArray[np.int64]:
    """Values [N] as numbers, from 0, of bins of equal width over their range."""
    # One linspace per code: given several at once, numpy rounds otherwise if any of them is constant.
    left_edges = np.linspace(values.min(), values.max(), n_bins + 1)[:-1]
    # The edges of a constant code coincide, so that all its rows fall into one bin, the last.
    return np.searchsorted(left_edges, values, side="right") - 1


def _entropy(probabilities: NDArray[np.float64]) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())


def information_of(joint: NDArray[np.float64]) -> float:
    """Mutual information in nats of two variables with the probabilities ``joint`` [A, B]."""
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    positive = joint > 0
    # Never below zero, but for rounding.
    return max(0.0, float((joint[positive] * np.log(joint[positive] / independent[positive])).sum()))


def _check_count(name: str, value: int, least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number from {least} up, but {value!r} was given.")


def _check_table(what: str, width: str, given: Any) -> NDArray[Any]:
    if hasattr(given, "detach"):  # a torch tensor, without importing torch
        given = given.detach().cpu()
        given = (given.double() if given.is_floating_point() else given).numpy()
    try:
        table = np.asarray(given)
    except ValueError:
        raise InputError(
            f"{what} must be a table [N, {width}], but rows of different lengths were given."
        ) from None
    if table.dtype.kind not in "fiub":
        raise InputError(f"{what} must be numbers, but an array of {table.dtype} was given.")
    if table.ndim != 2:
        raise InputError(
            f"{what} must be a table [N, {width}], but an array of shape {table.shape} was given."
        )
    if table.shape[1] == 0:
        raise InputError(
            f"{what} must have at least one column, but an array of shape {table.shape} was given."
        )
    return table


def check_codes(given: ArrayLike) -> Codes:
    """Codes as a new float64 array [N, D].

    Raises:
        InputError: they are no table of finite numbers; the message names the code and the row.
    """
    codes = _check_table("codes", "D", given).astype(np.float64)
    bad = ~(np.abs(codes) <= LARGEST_CODE)  # true for NaN as well
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            "codes must be finite and within float32, but code "
            f"{column} is {codes[row, column]} in row {row} ({bad.sum()} such values in all)."
        )
    return codes


def _check_log_variances(given: ArrayLike, shape: tuple[int, ...]) -> Codes:
    log_variances = _check_table("log_variances", "D", given).astype(np.float64)
    if log_variances.shape != shape:
        raise InputError(
            f"log_variances must have the shape of the codes, {shape}, but an array of shape "
            f"{log_variances.shape} was given."
        )
    bad = ~(np.abs(log_variances) <= LARGEST_LOG_VARIANCE)  # true for NaN as well
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"log_variances must lie within {LARGEST_LOG_VARIANCE:g} of 0, but that of code {column} is "
            f"{log_variances[row, column]} in row {row}."
        )
    return log_variances


def _check_factors(given: ArrayLike) -> NDArray[Any]:
    factors = _check_table("factors", "F", given)
    if factors.dtype.kind == "f":
        bad = ~((np.abs(factors) <= LARGEST_FACTOR) & (factors == np.rint(factors)))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                "factors must be whole numbers (the class of each factor), but factor "
                f"{column} is {factors[row, column]} in row {row}."
            )
    return factors
