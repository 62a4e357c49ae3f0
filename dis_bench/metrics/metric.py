"""The contract of a metric: a function of a representation, with its declaration.

A plug-in is a function in one of two forms. The plain one takes arrays::

    def my_score(codes, factors, *, power=2):
        '''Measure one thing.'''
        return float(...)  # or a dict of floats

The declared form takes a :class:`~dis_bench.metrics.representation.Representation`, shares bins, entropies
and mutual information with other metrics, and declares more about itself::

    @metric(source="Chen et al. 2018, section 4")
    def mig(representation, *, rows=10_000, bins=20):
        ...

Keyword parameters with defaults are the metric's protocol, which every record contains.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from dis_bench.errors import METRIC, InputError, describe, shown, unknown, worded_for
from dis_bench.metrics.declaration import Caveat, Text, check_declaration
from dis_bench.metrics.protocols import (
    STUDY_ROWS,
    check_rows,
    check_value,
    cut_protocol,
    is_finite,
    read_defaults,
)
from dis_bench.metrics.representation import Representation
from dis_bench.neutral import neutral, own_streams
from dis_bench.requirements import lacks

NOT_GIVEN: Any = object()
ROUNDING = 1e-12  # by which the sums of a perfect code may exceed the range of a score


class MetricFailed(InputError):
    """An unexpected exception that a metric raised, available as ``__cause__``."""


@dataclass(eq=False)
class Metric:
    """A metric, called with arrays or with a representation shared with other metrics.

    ``mig(codes, factors, seed=0, bins=10)`` and ``mig(representation, bins=10)`` return the function's
    result; :meth:`scores` returns the columns of a table.

    Attributes:
        function: a function of a representation and the parameters.
        name: the name that users type, and the prefix of its columns.
        parameters: default of each parameter, by name.
        keys: names of its numbers if it returns several; empty for a single number; None if they vary.
        range: lowest and highest possible score.
        higher_is_better: whether a higher score is better.
        source: paper and equation.
        version: changes whenever the same input gives other numbers.
        needs: inputs beside codes and factors that it reads: ``("log_variances",)``.
        reads_factors: False for a metric that looks at codes alone, and scores images without factors too.
        values_are_numbers: whether it treats the ranks of factor values as numbers, even of names.
        draws_rows: whether it draws from all available rows; its score is marked if a small table is allowed
            and has fewer rows than a study's.
        label: published spelling, for reports; if it returns several numbers, each key in words is appended,
            or a label is given by key. By default the name in words.
        short: the same for the heading of a narrow column, if it differs.
        caveat: one line that a reader of reports must know, or a function of the dataset's name and the
            parameters that returns it, empty if there is nothing to say.
        leads: whether reports name it in their first sentence.
        perfect: score of a perfect code under the default parameters by dataset, where it is known.
        widest: most codes for which a study lets it score pixels, if its time grows fast with them; None
            scores any number.
        slow: whether `dis-bench score` leaves it out unless it is named.
        is_plain: whether it wraps a plain function of arrays, which declares neither range nor direction.
    """

    function: Callable[..., Any]
    name: str
    parameters: Mapping[str, Any]
    keys: tuple[str, ...] | None = ()
    range: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    source: str = ""
    version: int | str = 1
    needs: tuple[str, ...] = ()
    values_are_numbers: bool = False
    draws_rows: bool = False
    label: Text = ""
    short: Text = ""
    caveat: Caveat = ""
    leads: bool = False
    perfect: Mapping[str, float] = field(default_factory=dict)
    slow: bool = False
    is_plain: bool = False
    widest: int | None = None
    reads_factors: bool = True

    def __post_init__(self) -> None:
        check_declaration(self)
        functools.update_wrapper(self, self.function, updated=())  # without the function's own attributes
        by_keyword = inspect.Parameter.KEYWORD_ONLY
        first = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("codes", "factors")]
        rest = {**dict.fromkeys(self.needs, inspect.Parameter.empty), "seed": 0, "allow_small": False}
        rest |= self.parameters
        named = [inspect.Parameter(n, by_keyword, default=default) for n, default in rest.items()]
        self.__signature__ = inspect.Signature([*first, *named])

    @property
    def summary(self) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Return the columns that it fills, or None if they are known only after a run."""
        return None if self.keys is None else tuple(self._column(key) for key in self.keys or ("",))

    @neutral()
    def __call__(
        self,
        codes: Any,
        factors: Any = None,
        *,
        seed: int | None = NOT_GIVEN,
        allow_small: bool = NOT_GIVEN,
        **parameters: Any,
    ) -> Any:
        """Score codes [N, D] against factors [N, F], or a representation.

        Args:
            codes: numbers [N, D], or a :class:`Representation`, which has its own factors and options.
            factors: whole numbers [N, F]; a metric that looks at codes alone needs none.
            seed: seed of the shuffle of the rows and of all draws; 0 by default; None keeps the given order.
            allow_small: score even if the protocol needs more rows than there are; False by default.
            parameters: parameters of the protocol that differ from the defaults, and the inputs that the
                metric ``needs`` beside codes and factors, by name.

        Returns:
            The function's result: a number, or a NamedTuple or dict of numbers.

        Raises:
            InputError: input that cannot be scored, or an unknown parameter.
            MetricFailed: the metric raised an unexpected exception, available as ``__cause__``.
        """
        options = {"seed": seed, "allow_small": allow_small}
        options |= {name: parameters.pop(name) for name in self.needs if name in parameters}
        with worded_for(METRIC):
            parameters = self.resolve(parameters)
            representation = self._represent(codes, factors, options)
            self.check_needs(representation)
            check_rows({self.name: parameters}, len(representation), representation.allow_small)
        affordable = self.afford(representation, parameters)
        result = self._run(representation, affordable)
        drawn_from_few = self.draws_rows and len(representation) < STUDY_ROWS
        if affordable is not parameters or (representation.allow_small and drawn_from_few):
            representation.small.update(self._column(key) for key in _by_key(result))
        return result

    def _run(self, representation: Representation, parameters: dict[str, Any]) -> Any:
        is_own = self.function.__module__.startswith("dis_bench.")
        try:
            with nullcontext() if is_own else own_streams(representation.seed or 0):
                return self.function(representation, **parameters)
        except InputError as error:
            raise error.prefixed(f"{self.name}: ") from None
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            what = (lacks(error) or describe(error)).rstrip(".: ")
            raise MetricFailed(f"metric '{self.name}' failed: {what}.") from error

    def _represent(self, codes: Any, factors: Any, options: dict[str, Any]) -> Representation:
        """Make a representation of arrays, or return the given one, which must be alone."""
        options = {name: value for name, value in options.items() if value is not NOT_GIVEN}
        if not isinstance(codes, Representation):
            if factors is None and self.reads_factors:
                raise InputError(f"{self.name} needs factors beside the codes: {self.name}(codes, factors).")
            return Representation(codes, factors, **options)
        more = [*(["factors"] if factors is not None else []), *options]
        if more:
            raise InputError(
                f"{self.name} was given {' and '.join(more)} in addition to a Representation, which has its "
                "own."
            )
        return codes

    def scores(self, representation: Representation, **parameters: Any) -> dict[str, float]:
        """Return the columns of a table, such as ``{"mig": 0.9}``.

        Raises:
            InputError: as :meth:`__call__`, or the metric did not return finite numbers.
        """
        return self.columns(self(representation, **parameters))

    def columns(self, result: Any) -> dict[str, float]:
        """Convert the function's result to the columns of a table.

        Raises:
            InputError: the result differs from what the metric declares, or does not consist of finite
                numbers.
        """
        values = _by_key(result)
        if not values:
            raise InputError(f"metric '{self.name}' returned {shown(result)}, which contains no score.")
        if self.keys is not None and tuple(values) != (self.keys or ("",)):
            raise InputError(
                f"metric '{self.name}' returned {shown(result)}, but declares {self.keys or 'one number'}."
            )
        for value in values.values():
            if not isinstance(value, Real) or isinstance(value, bool) or not is_finite(value):
                raise InputError(f"metric '{self.name}' returned {shown(value)} instead of a finite number.")
        columns = {self._column(key): self._without_rounding(float(value)) for key, value in values.items()}
        if len(columns) < len(values):
            raise InputError(f"metric '{self.name}' returned {shown(result)}, of which two keys read alike.")
        return columns

    def _without_rounding(self, value: float) -> float:
        """Return the end of the range for a value that rounding has put just beyond it."""
        low, high = map(float, self.range)
        nearest = min(max(value, low), high)
        return nearest if abs(nearest - value) <= ROUNDING else value

    def check_needs(self, representation: Representation) -> None:
        """Raise InputError if the representation lacks an input that the metric needs."""
        if self.reads_factors and not representation.has_factors:
            raise InputError(f"{self.name} needs factors, but this representation has none.")
        for name in self.needs:
            if getattr(representation, name) is None:
                raise InputError(
                    f"{self.name} needs {name} beside codes and factors: give {name}=, a table [N, D]."
                )

    def is_given_all(self, given: Collection[str], has_factors: bool) -> bool:
        """Return whether all inputs that it reads are given.

        Args:
            given: inputs beside codes and factors, as in ``needs``.
            has_factors: whether factors are given.
        """
        return set(self.needs) <= set(given) and (has_factors or not self.reads_factors)

    def afford(self, representation: Representation, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters, reduced to the available rows if ``allow_small`` is set."""
        if not representation.allow_small:
            return parameters
        return cut_protocol(parameters, len(representation))

    def resolve(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters: the given values, checked, and defaults for the others.

        Raises:
            InputError: an unknown parameter, or a value that is not finite or not of its default's type.
        """
        for name in parameters:
            if name not in self.parameters:
                raise unknown(f"parameter of {self.name}", name, self.parameters)
        given = {
            name: check_value(f"{name} of {self.name}", value, self.parameters[name])
            for name, value in parameters.items()
        }
        return {**self.parameters, **given}

    def _column(self, key: str) -> str:
        return f"{self.name}_{key}" if key else self.name


def metric(
    *,
    keys: tuple[str, ...] | None = (),
    range: tuple[float, float] = (0.0, 1.0),
    higher_is_better: bool = True,
    source: str = "",
    version: int = 1,
    needs: tuple[str, ...] = (),
    values_are_numbers: bool = False,
    draws_rows: bool = False,
    label: Text = "",
    short: Text = "",
    caveat: Caveat = "",
    leads: bool = False,
    perfect: Mapping[str, float] | None = None,
    widest: int | None = None,
    slow: bool = False,
    reads_factors: bool = True,
) -> Callable[[Callable[..., Any]], Metric]:
    """Declare a function ``f(representation, *, parameter=default, ...)`` a metric.

    The metric has the function's name.

    Args:
        keys: names of its numbers if it returns a NamedTuple or a dict; ``None`` if they vary.
        range: lowest and highest possible score.
        higher_is_better: whether a higher score is better.
        source: paper and equation.
        version: to be raised whenever the same input gives other numbers.
        needs: inputs beside codes and factors that it reads: ``("log_variances",)``. If they were not given,
            the metric is refused when named, and left out when no metric is named.
        values_are_numbers: whether it treats the ranks of factor values as numbers, even of names.
        draws_rows: whether it draws from all available rows, which its parameters do not show.
        label: published spelling, for reports: ``"MIG"``. If the metric returns several numbers, each key in
            words is appended, or a label is given by key. By default the name in words.
        short: the same for the heading of a narrow column, if it differs.
        caveat: one line that a reader of reports must know, or a function of the dataset's name and the
            parameters that returns it, empty if there is nothing to say. The score of a perfect code needs no
            caveat, as reports measure it.
        leads: whether reports name it in their first sentence; of several, the first one.
        perfect: score of a perfect code under the default parameters by dataset, if it is known to be below
            the top of the range; reports show it until it is measured.
        widest: most codes for which a study lets it score pixels, if its time grows fast with them.
        slow: whether `dis-bench score` leaves it out unless it is named; all others together cost under 5 CPU
            seconds for 15,000 rows of ten codes.
        reads_factors: False for a metric that looks at codes alone, and scores images without factors too.

    Returns:
        A decorator that turns the function into a :class:`Metric`.

    Raises:
        InputError: the function cannot be called with a representation alone, or no report
            could show what is declared.

    Example:
        >>> import numpy as np
        >>> @metric(source="nobody, ever", range=(0, np.inf))
        ... def spread(representation, *, rows=10_000):
        ...     '''Measure the mean standard deviation of the codes.'''
        ...     return float(representation.rows(rows).codes.std(axis=0).mean())
        >>> codes = np.array([[0.0, 2.0], [4.0, 2.0]])
        >>> spread(codes, [[0], [1]], rows=2)
        1.0
    """

    def declare(function: Callable[..., Any]) -> Metric:
        name = function.__name__
        return Metric(
            function,
            name,
            read_defaults(function, name, ("representation",)),
            keys=keys,
            range=range,
            higher_is_better=higher_is_better,
            source=source,
            version=version,
            needs=needs,
            values_are_numbers=values_are_numbers,
            draws_rows=draws_rows,
            label=label,
            short=short,
            caveat=caveat,
            leads=leads,
            perfect={} if perfect is None else perfect,
            widest=widest,
            slow=slow,
            reads_factors=reads_factors,
        )

    return declare


def as_metric(target: Any, name: str | None = None, version: int | str = 1) -> Metric:
    """Turn a plain function ``f(codes, factors, **parameters)`` into a metric.

    The function gets copies of the representation's codes and factors: shuffled, without constant factors,
    and with factor values from 0 up. A parameter called ``seed`` gets the seed, 0 if it is None, and is not
    part of the protocol.

    Args:
        target: a function, or a :class:`Metric`, which is returned as it is.
        name: name of the metric; by default the function's.
        version: version of a plain function.

    Raises:
        InputError: ``target`` cannot be called with codes and factors alone.

    Example:
        >>> spread = as_metric(lambda codes, factors: codes.std(), name="spread")
        >>> spread.scores(Representation([[0.0], [4.0]], [[0], [1]]))
        {'spread': 2.0}
    """
    if isinstance(target, Metric):
        return target
    if not callable(target):
        raise InputError(
            f"metric '{name or target}' must be a function of codes and factors, not {shown(target)}."
        )
    own_name = str(name or getattr(target, "__name__", type(target).__name__))
    defaults = read_defaults(target, own_name, ("codes", "factors"), filled=("seed",))
    takes_seed = "seed" in inspect.signature(target).parameters

    @functools.wraps(target, updated=())
    def function(representation: Representation, **parameters: Any) -> Any:
        if takes_seed:
            parameters["seed"] = representation.seed or 0  # None keeps the order of the rows; draws need one
        return target(representation.codes.copy(), representation.factors.copy(), **parameters)

    return Metric(function, own_name, defaults, keys=None, version=version, is_plain=True)


def find_owner(score: str, metrics: Iterable[str]) -> str | None:
    """Return the metric that gives a score, such as ``dci`` for ``dci_completeness``.

    It is the longest name that the score begins with, or None if there is none.
    """
    owners = [name for name in metrics if score == name or score.startswith(f"{name}_")]
    return max(owners, key=len, default=None)


def _by_key(result: Any) -> dict[str, Any]:
    """Return a metric's result by key; a single number has the empty key."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    return dict(result) if isinstance(result, Mapping) else {"": result}
