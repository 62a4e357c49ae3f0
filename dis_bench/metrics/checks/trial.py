"""A metric on trial: small tables of codes that were made by rule, and what the metric says of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError, describe
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.metric import Metric, MetricFailed
from dis_bench.metrics.protocols import STUDY_ROWS
from dis_bench.metrics.representation import Representation

ROWS = 1_200  # few, so that most metrics take well under a second
SIZES = (3, 6, 8, 8, 8)  # of the factors
SIZES_ONE_HOT = (3, 40)  # so many values that a group of 64 rows often lacks one of them
# A protocol for few rows, by the names that parameters have here.
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


class Broken(Exception):
    """What must hold of a metric does not; the message says what was given, what came out, what should."""


class Table(NamedTuple):
    """Codes [N, D] and factors [N, F], and in words what they are."""

    given: str
    codes: Codes
    factors: Factors


class Trial:
    """A metric, and its scores of tables that were made by rule.

    Attributes:
        metric: on trial.
        parameters: its protocol, where that differs from the defaults.
        tolerance: share of its span that a score may move where it should stand still.
        tolerances: the same by property, where another holds; 0 is exact but for rounding.
        mixed: a table of which most scores are neither the best nor the worst: the factors, two pairs of them
            rotated, and a little noise. Its codes are in float32, as an encoder's.
        perfect: a table whose codes are the factors.
        noise: a table whose codes have nothing to do with the factors.
        one_hot: a table with one code per value of two factors, and factors of its own.
    """

    def __init__(
        self,
        metric: Metric,
        rows: int = ROWS,
        parameters: Mapping[str, Any] | None = None,
        tolerance: float = 0.05,
        tolerances: Mapping[str, float] | None = None,
    ) -> None:
        self.metric, self.parameters = metric, dict(parameters or {})
        self.tolerance, self.tolerances = tolerance, dict(tolerances or {})
        self._scores: dict[tuple[str, int], dict[str, float]] = {}
        factors = draw_factors(rows)
        rng = np.random.default_rng(1)
        self.mixed = Table("rotated factors with a little noise", mix(factors, rng), factors)
        self.perfect = Table("the factors themselves", factors.astype(float), factors)
        self.noise = Table("noise", rng.standard_normal((rows, 7)), factors)
        self.one_hot = draw_one_hot(rows)

    def __len__(self) -> int:
        """Number of rows of a table."""
        return len(self.mixed.codes)

    @property
    def takes_arrays(self) -> bool:
        """Whether it is a plain function of codes and factors, which declares neither range nor direction."""
        # Which as_metric has wrapped, without a word on what it returns.
        return hasattr(self.metric.function, "__wrapped__") and self.metric.keys is None

    def represent(self, table: Table, seed: int | None = 0) -> Representation:
        """The table as a metric reads it, with narrow posteriors for metrics that need them."""
        log_variances = np.full(table.codes.shape, -4.0)
        return Representation(table.codes, table.factors, log_variances=log_variances, seed=seed)

    def scores(self, table: Table, seed: int = 0) -> dict[str, float]:
        """Scores by column's name, computed the first time that they are asked for.

        Raises:
            InputError: the metric refuses the table.
            Broken: it raises something else, or returns something other than finite numbers.
        """
        key = table.given, seed
        if key not in self._scores:
            self._scores[key] = self.score_again(table, seed)
        return self._scores[key]

    def score_again(self, table: Table, seed: int = 0) -> dict[str, float]:
        """The same, computed in any case."""
        result = self._run(table.given, self.metric, self.represent(table, seed), **self.parameters)
        try:
            return self.metric.columns(result)
        except InputError as error:
            raise Broken(f"given {table.given}, {error}") from None

    def read_arrays(self) -> tuple[Codes, Factors]:
        """The codes and factors of the mixed table after the metric has read them, and no copies of them."""
        if not self.takes_arrays:
            table = self.represent(self.mixed, seed=None)
            self._run(self.mixed.given, self.metric, table, **self.parameters)
            return table.codes, table.factors
        function = self.metric.function.__wrapped__  # type: ignore[attr-defined]  # the wrapper hands over copies
        parameters = {**self.metric.parameters, **self.parameters}
        if "seed" in inspect.signature(function).parameters:
            parameters["seed"] = 0
        codes, factors = self.mixed.codes.copy(), self.mixed.factors.copy()
        self._run(self.mixed.given, function, codes, factors, **parameters)
        return codes, factors

    def span(self, column: str) -> float:
        """How far apart the scores of a column may be: its declared range.

        Where that is infinite or not declared, how far apart the scores of the ordinary tables are.
        """
        low, high = self.metric.range
        if not self.takes_arrays and math.isfinite(high - low):
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
        except (Exception, SystemExit) as error:  # the arrays' own function, which nothing is wrapped around
            raise Broken(f"given {given}, it raises {describe(error)}") from error


def put_on_trial(metric: Metric, tolerance: float = 0.05) -> Trial:
    """A trial on few rows and with a smaller protocol; on many, with its own, if it cannot score the few."""
    parameters = {
        name: value for name, value in SMALLER.items() if isinstance(metric.parameters.get(name), type(value))
    }
    small = Trial(metric, ROWS, parameters, tolerance)
    try:
        small.scores(small.mixed)
    except (InputError, Broken):
        return Trial(metric, STUDY_ROWS, None, tolerance)
    return small


def draw_factors(rows: int) -> Factors:
    """Five independent factors [rows, 5], four of them uniform; the fifth has one value in most rows."""
    factors = np.random.default_rng(0).integers(0, SIZES, size=(rows, len(SIZES)))
    factors[:, 4] = np.minimum(factors[:, 4], 3)
    return factors


def draw_one_hot(rows: int) -> Table:
    """Codes [rows, 43] that are 1 for one value of one of two factors, and 0 for all others."""
    factors = np.random.default_rng(5).integers(0, SIZES_ONE_HOT, size=(rows, len(SIZES_ONE_HOT)))
    codes = [np.eye(size)[column] for size, column in zip(SIZES_ONE_HOT, factors.T, strict=True)]
    return Table("one code per value", np.hstack(codes), factors)


def mix(factors: Factors, rng: np.random.Generator) -> Codes:
    """Codes [N, 5]: factors 0 and 1, and 2 and 3, rotated by 45 degrees, and 4 as it is; with some noise."""
    codes = standardise(factors.astype(float))
    for i, j in ((0, 1), (2, 3)):
        codes[:, i], codes[:, j] = codes[:, i] - codes[:, j], codes[:, i] + codes[:, j]
    codes[:, :4] *= np.sqrt(0.5)
    codes += 0.1 * rng.standard_normal(codes.shape)
    return codes.astype(np.float32).astype(np.float64)
