"""The contract of a metric: a function of a representation, with what a table must know about it.

A plug-in is a function in one of two forms. The plain one takes arrays::

    def my_score(codes, factors, *, power=2):
        '''One line on what it measures.'''
        return float(...)  # or a dict of floats

The declared one reads a :class:`~dis_bench.metrics.representation.Representation`, shares its bins,
entropies and mutual information with the other metrics, and says more about itself::

    @metric(source="Chen et al. 2018, section 4")
    def mig(representation, *, rows=10_000, bins=20):
        ...

Keyword parameters with defaults are the metric's protocol: they stand in every record.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from numbers import Real
from typing import Any

from dis_bench.errors import METRIC, InputError, describe, shown, unknown, worded_for
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


class MetricFailed(InputError):
    """A metric raised something that is no refusal; ``__cause__`` is what it raised."""


@dataclass(eq=False)
class Metric:
    """A metric: call it with arrays, or with a representation whose inputs it shares with other metrics.

    ``mig(codes, factors, seed=0, bins=10)`` and ``mig(representation, bins=10)`` return what the
    function returns; :meth:`scores` returns the columns of a table.

    Attributes:
        function: takes a representation and the parameters.
        name: what users type, and how its columns begin.
        parameters: default of each parameter, by name.
        keys: the names of its numbers where it returns several; empty for a single number.
        range: lowest and highest possible score.
        higher_is_better: the direction.
        source: paper and equation.
        version: changes when the same input gives other numbers.
        needs: what it reads of a representation beside codes and factors: ``("log_variances",)``.
        values_are_numbers: whether it takes factor values as numbers, even where they stand for names.
        draws_rows: whether it draws from all rows that there are: allowed fewer than a study's, it is marked.
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

    def __post_init__(self) -> None:
        _check_range(self.name, self.range)
        functools.update_wrapper(self, self.function, updated=())  # a function's attributes are its own
        by_keyword = inspect.Parameter.KEYWORD_ONLY
        first = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("codes", "factors")]
        rest = {**dict.fromkeys(self.needs, inspect.Parameter.empty), "seed": 0, "allow_small": False}
        rest |= self.parameters
        named = [inspect.Parameter(n, by_keyword, default=default) for n, default in rest.items()]
        self.__signature__ = inspect.Signature([*first, *named])

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """The columns that it fills; ``None`` where only running it can tell."""
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
            codes: numbers [N, D], or a :class:`Representation`, which brings its own factors and options.
            factors: whole numbers [N, F].
            seed: shuffles the rows and decides what is drawn; ``None`` keeps the given order; 0 by default.
            allow_small: score even where the protocol wants more rows than there are; not by default.
            parameters: the protocol's, where it should differ from the defaults; and what the metric
                ``needs`` beside codes and factors, by name.

        Raises:
            InputError: input that cannot be scored, or an unknown parameter.
            MetricFailed: the metric raised something else, which is the cause.
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
        except (Exception, SystemExit) as error:  # a stranger's function may raise whatever it likes
            what = (lacks(error) or describe(error)).rstrip(".: ")
            raise MetricFailed(f"metric '{self.name}' failed: {what}.") from error

    def _represent(self, codes: Any, factors: Any, options: dict[str, Any]) -> Representation:
        """What was given as a representation; one that is ready brings everything with it."""
        options = {name: value for name, value in options.items() if value is not NOT_GIVEN}
        if not isinstance(codes, Representation):
            if factors is None:
                raise InputError(f"{self.name} needs factors beside the codes: {self.name}(codes, factors).")
            return Representation(codes, factors, **options)
        more = [*(["factors"] if factors is not None else []), *options]
        if more:
            raise InputError(
                f"{self.name} was given {' and '.join(more)} besides a Representation, which has its own."
            )
        return codes

    def scores(self, representation: Representation, **parameters: Any) -> dict[str, float]:
        """The columns of a table: ``{"mig": 0.9}``, or ``{"dci_disentanglement": ..., ...}``.

        Raises:
            InputError: as :meth:`__call__`; or the metric returned something other than finite numbers.
        """
        return self.columns(self(representation, **parameters))

    def columns(self, result: Any) -> dict[str, float]:
        """What the function returned, as the columns of a table.

        Raises:
            InputError: it is not what the metric declares, or something other than finite numbers.
        """
        values = _by_key(result)
        if not values:
            raise InputError(f"metric '{self.name}' returned {shown(result)}, which holds no score.")
        if self.keys is not None and tuple(values) != (self.keys or ("",)):
            raise InputError(
                f"metric '{self.name}' returned {shown(result)}, but declares {self.keys or 'one number'}."
            )
        for value in values.values():
            if not isinstance(value, Real) or isinstance(value, bool) or not is_finite(value):
                raise InputError(
                    f"metric '{self.name}' returned {shown(value)} where a finite number must stand."
                )
        return {self._column(key): float(value) for key, value in values.items()}

    def check_needs(self, representation: Representation) -> None:
        """Refuse a representation that lacks what the metric reads.

        Raises:
            InputError: it was made without.
        """
        for name in self.needs:
            if getattr(representation, name) is None:
                raise InputError(
                    f"{self.name} needs {name} beside codes and factors: give {name}=, a table [N, D]."
                )

    def afford(self, representation: Representation, parameters: dict[str, Any]) -> dict[str, Any]:
        """The given parameters themselves, or those that are scored where a small table is allowed."""
        if not representation.allow_small:
            return parameters
        return cut_protocol(parameters, len(representation))

    def resolve(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: the given values, checked, over the defaults.

        Raises:
            InputError: an unknown parameter, or a value of another type than its default, or not finite.
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
) -> Callable[[Callable[..., Any]], Metric]:
    """Declare ``f(representation, *, parameter=default, ...)`` a metric, named after the function.

    Args:
        keys: the names of its numbers, where it returns a NamedTuple or a dict; ``None`` if they vary.
        range: lowest and highest possible score.
        higher_is_better: the direction.
        source: paper and equation.
        version: raise it when the same input gives other numbers.
        needs: what it reads of a representation beside codes and factors: ``("log_variances",)``. Without
            it the metric is refused when asked for, and left out when no metric is named.
        values_are_numbers: whether it takes factor values as numbers, even where they stand for names.
        draws_rows: whether it draws from all rows that there are, which no parameter says.

    Raises:
        InputError: the function cannot be called with a representation alone, or the range is none.
    """

    def declare(function: Callable[..., Any]) -> Metric:
        name = function.__name__
        defaults = read_defaults(function, name, ("representation",))
        about = (keys, range, higher_is_better, source, version, needs, values_are_numbers, draws_rows)
        return Metric(function, name, defaults, *about)

    return declare


def as_metric(target: Any, name: str | None = None, version: int | str = 1) -> Metric:
    """A metric as it is; a plain function ``f(codes, factors, **parameters)`` as a metric.

    The function gets copies of the representation's codes and factors: shuffled, without constant
    factors, factor values from 0 up. A parameter called ``seed`` gets the seed; it is not in the protocol.

    Args:
        target: a :class:`Metric` or a function.
        name: of the metric; the function's own by default.
        version: of a plain function.

    Raises:
        InputError: ``target`` cannot be called with codes and factors alone.
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
            parameters["seed"] = representation.seed
        return target(representation.codes.copy(), representation.factors.copy(), **parameters)

    return Metric(function, own_name, defaults, keys=None, version=version)


def find_owner(score: str, metrics: Iterable[str]) -> str | None:
    """Return the metric that gives a score: ``dci`` for ``dci_completeness``; None where none does."""
    owners = [name for name in metrics if score == name or score.startswith(f"{name}_")]
    return max(owners, key=len, default=None)


def _check_range(name: str, range: Any) -> None:
    try:
        low, high = map(float, range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:  # not where either is NaN
        raise InputError(
            f"the range of metric '{name}' must be its lowest and its highest score, but {shown(range)} was "
            "given."
        )


def _by_key(result: Any) -> dict[str, Any]:
    """What a metric returned, by key; a single number by the empty one."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    return dict(result) if isinstance(result, Mapping) else {"": result}
