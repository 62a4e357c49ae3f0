"""Tables from users: converted to arrays of numbers, or refused in one sentence."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dis_bench.errors import InputError, describe, shown

LARGEST_CODE = float(np.finfo(np.float32).max)  # tree learners read codes as float32
SMALLEST_SPREAD = 1e-150  # the square of a smaller spread would be 0
LARGEST_WHOLE = 2**53  # a float cannot represent every larger whole number
LARGEST_LOG_VARIANCE = 200.0  # densities and their ratios stay within float64
ENOUGH_ROWS = 100  # with fewer rows, a factor of many values cannot be distinguished from a continuous one


class RankedFactors(NamedTuple):
    """The factors that vary, each value replaced by its rank among those that occur.

    Attributes:
        values: int64 [N, F], from 0 up.
        sizes: int64 [F], the number of values of each factor that occur.
        kept: int64 [F], the column of each factor in the given table.
        dropped: the columns that have a single value.
    """

    values: NDArray[np.int64]
    sizes: NDArray[np.int64]
    kept: NDArray[np.int64]
    dropped: tuple[int, ...]


def read_array(what: str, given: Any) -> NDArray[Any]:
    """Read plain numbers from any container.

    Arrays, tensors, frames, and lists of them are containers.

    Args:
        what: name of the table for error messages, such as ``codes``.
        given: the user's table.

    Returns:
        An array of any shape and type; of objects if the values could not be read as numbers.

    Raises:
        InputError: the container cannot be read, or some of its values are masked.
    """
    if isinstance(given, np.ma.MaskedArray) or (
        isinstance(given, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in given)
    ):
        given = _unmask(what, given)
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        raise InputError(f"{what} must be dense, but a sparse matrix was given: give its .toarray().")
    try:
        given = _plain(what, given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of what the checks below report as errors
            table = np.asarray(given)
            if table.dtype.kind == "O" and table.ndim:
                table = np.asarray(table.tolist())
    except InputError:
        raise
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise _unreadable(what, given, error) from None
        raise InputError(f"{what} must be a table, but rows of different lengths were given.") from None
    except Exception as error:  # containers of other libraries may raise anything
        raise _unreadable(what, given, error) from None
    return table


def _plain(what: str, given: Any) -> Any:
    """Convert tensors and frames to arrays, also in nested lists; return all else."""
    if hasattr(given, "detach"):  # a torch tensor, without importing torch
        return _read_tensor(what, given)
    if hasattr(given, "columns") and hasattr(given, "iloc"):  # a pandas frame, without importing pandas
        return np.column_stack([_read_column(given.iloc[:, i]) for i in range(given.shape[1])])
    if isinstance(given, list | tuple) and given and not isinstance(given[0], int | float):
        return [_plain(what, one) for one in given]
    return given


def _read_tensor(what: str, given: Any) -> NDArray[Any]:
    given = given.detach().cpu()
    if "strided" not in str(given.layout):
        raise InputError(f"{what} must be a dense tensor, but one of {given.layout} was given.")
    given = given.resolve_conj().resolve_neg()
    return (given.double() if given.is_floating_point() else given).numpy()


def _read_column(column: Any) -> NDArray[Any]:
    """Convert a column of a frame; missing values of pandas' own types become NaN."""
    kind = getattr(column.dtype, "kind", "O")
    if isinstance(column.dtype, np.dtype) or kind not in "fiub":
        return column.to_numpy()
    if column.isna().any():
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy(dtype=np.dtype(f"{kind}8") if kind != "b" else np.dtype(bool))


def _unmask(what: str, given: Any) -> Any:
    rows = [given] if isinstance(given, np.ma.MaskedArray) else given
    if any(np.ma.is_masked(row) for row in rows):
        raise InputError(
            f"{what} must be a complete table, but a masked array was given: leave out the rows with masked "
            "values."
        )
    plain = [np.ma.getdata(row) for row in rows]
    return plain[0] if isinstance(given, np.ma.MaskedArray) else plain


def _unreadable(what: str, given: Any, error: Exception) -> InputError:
    return InputError(f"{what} cannot be read from a {type(given).__name__}: {describe(error)}.")


def _check_table(what: str, width: str, given: Any) -> NDArray[Any]:
    table = read_array(what, given)
    if table.dtype.kind not in "fiub":
        raise InputError(
            f"{what} must be numbers, but an array of {shown(str(table.dtype))[1:-1]} was given."
        )
    if table.ndim != 2:
        raise InputError(
            f"{what} must be a table [N, {width}], but an array of shape {table.shape} was given."
        )
    if table.shape[1] == 0:
        raise InputError(
            f"{what} must have at least one column, but an array of shape {table.shape} was given."
        )
    return table


def check_codes(given: ArrayLike) -> NDArray[np.float64]:
    """Convert codes to a new float64 array [N, D].

    Raises:
        InputError: the codes are not a table of finite numbers within float32, or integers beyond 2^53, or
            one varies by less than 1e-150; the message names the code and the row.
    """
    codes = _as_floats("codes", given)
    bad = ~(np.abs(codes) <= LARGEST_CODE)  # true for NaN as well
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            "codes must be finite and within float32, but code "
            f"{column} is {codes[row, column]} in row {row} ({bad.sum()} such values in all)."
        )
    spread = np.ptp(codes, axis=0) if len(codes) else np.zeros(codes.shape[1])
    tiny = np.flatnonzero((spread > 0) & (spread < SMALLEST_SPREAD))
    if len(tiny):
        raise InputError(
            f"codes must vary by {SMALLEST_SPREAD:g} or more, or not at all, but code {tiny[0]} varies by "
            f"{spread[tiny[0]]:.3g}: multiply it by a constant first."
        )
    return codes


def _as_floats(what: str, given: Any) -> NDArray[np.float64]:
    table = _check_table(what, "D", given)
    if table.dtype.kind in "iu":
        bad = (table > LARGEST_WHOLE) | (table < -LARGEST_WHOLE)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{what} that are integers must be within 2^53, as a float cannot represent all larger ones, "
                f"but code {column} is {table[row, column]} in row {row}: subtract a constant first."
            )
    with np.errstate(over="ignore", invalid="ignore"):  # values that overflow are refused later, by their row
        return table.astype(np.float64)


def check_log_variances(given: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Convert log-variances to a new float64 array of the shape of the codes.

    Raises:
        InputError: another shape, or a value that is not finite or is beyond 200.
    """
    log_variances = _as_floats("log_variances", given)
    if log_variances.shape != shape:
        raise InputError(
            f"log_variances must have the shape of the codes, {shape}, but an array of shape "
            f"{log_variances.shape} was given."
        )
    bad = ~(np.abs(log_variances) <= LARGEST_LOG_VARIANCE)  # true for NaN as well
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"log_variances must be within {LARGEST_LOG_VARIANCE:g} of 0, but that of code {column} is "
            f"{log_variances[row, column]} in row {row}."
        )
    return log_variances


def check_factors(given: ArrayLike) -> NDArray[Any]:
    """Convert factors to an array [N, F] of whole numbers, of any numeric type.

    Raises:
        InputError: the factors are not a table of whole numbers; the message names the factor and the row.
    """
    factors = _check_table("factors", "F", given)
    if factors.dtype.kind == "f":
        factors = factors.astype(np.promote_types(factors.dtype, np.float64))  # float16 does not reach 2^53
        bad = ~((np.abs(factors) <= LARGEST_WHOLE) & (factors == np.rint(factors)))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                "factors must be whole numbers (the class of each factor), but factor "
                f"{column} is {factors[row, column]} in row {row}: cut a continuous one into classes first, "
                "for example with numpy.digitize."
            )
    return factors


def rank_factors(factors: NDArray[Any]) -> RankedFactors:
    """Drop constant factors, and replace each value by its rank, from 0 up.

    Args:
        factors: whole numbers [N, F], of at least one row.

    Raises:
        InputError: all factors are constant, or most rows have a value of one that no other row has.
    """
    varies = (factors != factors[0]).any(axis=0)
    if not varies.any():
        raise InputError("every factor has a single value, so there is nothing to score.")
    kept = np.flatnonzero(varies)
    ranks, sizes = np.empty((len(factors), len(kept)), dtype=np.int64), np.empty(len(kept), dtype=np.int64)
    for j, column in enumerate(kept):
        values, ranks[:, j], counts = np.unique(factors[:, column], return_inverse=True, return_counts=True)
        sizes[j] = len(values)
        alone = int((counts == 1).sum())
        if len(factors) >= ENOUGH_ROWS and alone > len(factors) / 2:
            raise InputError(
                f"factor {column} looks continuous, or like a row number: {alone} of {len(factors)} rows "
                "have a value of their own; cut it into classes first, for example with numpy.digitize, or "
                "leave it out."
            )
    return RankedFactors(ranks, sizes, kept, tuple(np.flatnonzero(~varies).tolist()))


def check_count(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise InputError if a value is not a whole number from ``least`` to ``most``."""
    wrong = not isinstance(value, Integral) or isinstance(value, bool) or value < least
    if wrong or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {allowed}, but {shown(value)} was given.")
