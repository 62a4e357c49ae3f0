"""A metric on trial: small tables of codes made by rule, and the metric's scores of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError, describe
from dis_bench.findings import Broken
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.metric import Metric, MetricFailed
from dis_bench.metrics.protocols import STUDY_ROWS
from dis_bench.metrics.representation import Representation

ROWS = 1_200  # few, so that most metrics take well under a second
TOLERANCE = 0.05  # share of its range by which a metric may change where it should not
SIZES = (3, 6, 8, 8, 8)  # numbers of values of the factors
SIZES_ONE_HOT = (3, 40)  # 40 are enough for a group of 64 rows to lack one often
# A protocol for few rows, by the names of the parameters of built-in metrics.
SMALLER: dict[str, Any] = {
    "rows": ROWS,
    "train": 800,
    "test": 400,
    "train_points": 1_000,
    "test_points": 1_000,
    "train_votes": 1_000,
    "test_votes": 1_000,
    "labels": (100, 800),
}

Codes = NDArray[np.float64]
Factors = NDArray[np.int64]


class Table(NamedTuple):
    """Codes [N, D] and factors [N, F], with a description of them in words."""

    given: str
    codes: Codes
    factors: Factors


class Trial:
    """A metric, and its scores of tables that were made by rule.

    Attributes:
        metric: the metric on trial.
        parameters: parameters of its protocol that differ from the defaults.
        tolerance: share of its span by which a score may change when it should not.
        tolerances: other tolerances, by property; 0 is exact up to rounding.
        mixed: a table for which most scores are neither the best nor the worst: the factors, two pairs of
            them rotated, with a little noise. Its codes have float32 precision, like an encoder's.
        perfect: a table whose codes are the factors.
        noise: a table whose codes are independent of the factors.
        one_hot: a table with one code per value of two factors, which are not those of the other tables.
        tied: a table of two codes that are equally good for one of two factors, but not for the other.
    """

    def __init__(
        self,
        metric: Metric,
        rows: int = ROWS,
        parameters: Mapping[str, Any] | None = None,
        tolerance: float = TOLERANCE,
        tolerances: Mapping[str, float] | None = None,
        check_returned: Callable[[str, Iterable[str]], None] | None = None,
    ) -> None:
        self.metric, self.parameters = metric, dict(parameters or {})
        self.tolerance, self.tolerances = tolerance, dict(tolerances or {})
        self._check_returned = check_returned or (lambda name, columns: None)
        self._scores: dict[tuple[str, int], dict[str, float]] = {}
        factors = draw_factors(rows)
        rng = np.random.default_rng(1)
        self.mixed = Table("rotated factors with a little noise", mix(factors, rng), factors)
        self.perfect = Table("the factors themselves", factors.astype(float), factors)
        self.noise = Table("noise", rng.standard_normal((rows, 7)), factors)
        self.one_hot = draw_one_hot(rows)
        self.tied = make_tied(rows)

    def __len__(self) -> int:
        """Return the number of rows of each table."""
        return len(self.mixed.codes)

    def represent(self, table: Table, seed: int | None = 0) -> Representation:
        """Make a table a representation, with posteriors of width exp(-2)."""
        log_variances = np.full(table.codes.shape, -4.0)
        return Representation(table.codes, table.factors, log_variances=log_variances, seed=seed)

    def scores(self, table: Table, seed: int = 0) -> dict[str, float]:
        """Return the scores of a table by column; they are computed only once.

        Raises:
            InputError: the metric refuses the table.
            Broken: the metric raises anything else, or does not return finite numbers.
        """
        key = table.given, seed
        if key not in self._scores:
            self._scores[key] = self.score_again(table, seed)
        return self._scores[key]

    def score_again(self, table: Table, seed: int = 0) -> dict[str, float]:
        """Return the same as :meth:`scores`, but always compute it."""
        result = self._run(table.given, self.metric, self.represent(table, seed), **self.parameters)
        try:
            return self.metric.columns(result)
        except InputError as error:
            raise Broken(f"given {table.given}, {error}") from None

    def check_columns(self, table: Table) -> None:
        """Check that reports can show the scores of a table under their names.

        Raises:
            Broken: one of them can be no column.
        """
        try:
            self._check_returned(self.metric.name, self.scores(table))
        except InputError as error:
            raise Broken(f"given {table.given}, {error}") from None

    def read_arrays(self) -> tuple[Codes, Factors]:
        """Run the metric on the mixed table, and return the arrays that it was given.

        They are not copies, so that changes show.
        """
        if not self.metric.is_plain:
            table = self.represent(self.mixed, seed=None)
            self._run(self.mixed.given, self.metric, table, **self.parameters)
            return table.codes, table.factors
        function = self.metric.function.__wrapped__  # type: ignore[attr-defined]  # the wrapper copies
        parameters = {**self.metric.parameters, **self.parameters}
        if "seed" in inspect.signature(function).parameters:
            parameters["seed"] = 0
        codes, factors = self.mixed.codes.copy(), self.mixed.factors.copy()
        self._run(self.mixed.given, function, codes, factors, **parameters)
        return codes, factors

    def span(self, column: str) -> float:
        """Return the width of the declared range.

        If that is infinite or not declared, return the spread of the column over the ordinary tables.
        """
        low, high = self.metric.range
        if not self.metric.is_plain and math.isfinite(high - low):
            return high - low
        values = [self.scores(table)[column] for table in (self.mixed, self.perfect, self.noise)]
        return max(values) - min(values)

    def _run(self, given: str, function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
        try:
            return function(*arguments, **parameters)
        except MetricFailed as failure:
            error = failure.__cause__ or failure
            raise Broken(f"given {given}, it raises {describe(error)}") from error
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # read_arrays calls the user's function without a wrapper
            raise Broken(f"given {given}, it raises {describe(error)}") from error


def put_on_trial(
    metric: Metric,
    tolerance: float = TOLERANCE,
    check_returned: Callable[[str, Iterable[str]], None] | None = None,
) -> Trial:
    """Make a trial with few rows and a smaller protocol.

    If the metric cannot score that few, the trial has 15,000 rows and the metric's own protocol.

    Args:
        metric: the metric to try.
        tolerance: share of its span by which a score may change when it should not.
        check_returned: raises InputError if a table cannot show scores of these names, given the metric's.
    """
    parameters = {
        name: value for name, value in SMALLER.items() if isinstance(metric.parameters.get(name), type(value))
    }
    small = Trial(metric, ROWS, parameters, tolerance, check_returned=check_returned)
    try:
        small.scores(small.mixed)
    except (InputError, Broken):
        return Trial(metric, STUDY_ROWS, None, tolerance, check_returned=check_returned)
    return small


def draw_factors(rows: int) -> Factors:
    """Draw five independent factors [rows, 5].

    Four are uniform; the fifth has one value in most rows.
    """
    factors = np.random.default_rng(0).integers(0, SIZES, size=(rows, len(SIZES)))
    factors[:, 4] = np.minimum(factors[:, 4], 3)
    return factors


def draw_one_hot(rows: int) -> Table:
    """Draw two factors, one-hot encoded as codes [rows, 43]."""
    factors = np.random.default_rng(5).integers(0, SIZES_ONE_HOT, size=(rows, len(SIZES_ONE_HOT)))
    codes = [np.eye(size)[column] for size, column in zip(SIZES_ONE_HOT, factors.T, strict=True)]
    return Table("one code per value", np.hstack(codes), factors)


def make_tied(rows: int) -> Table:
    """Make two factors, and as codes [rows, 2] the first one and both in one number.

    All combinations are equally frequent and their number is a power of two, so that information about the
    first factor is equal to the last bit.
    """
    factors = np.stack([np.arange(rows) % 2, np.arange(rows) // 2 % 4], axis=1)
    codes = np.stack([factors[:, 0], 4 * factors[:, 0] + factors[:, 1]], axis=1)
    return Table("a factor and two factors in one code", codes.astype(float), factors)


def mix(factors: Factors, rng: np.random.Generator) -> Codes:
    """Make codes [N, 5]: factors 0, 1 and 2, 3 rotated by 45 degrees, 4 as it is.

    All are standardised first, and get a little noise.
    """
    codes = standardise(factors.astype(float))
    for i, j in ((0, 1), (2, 3)):
        codes[:, i], codes[:, j] = codes[:, i] - codes[:, j], codes[:, i] + codes[:, j]
    codes[:, :4] *= np.sqrt(0.5)
    codes += 0.1 * rng.standard_normal(codes.shape)
    return codes.astype(np.float32).astype(np.float64)
