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
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from dis_bench.errors import InputError, unknown
from dis_bench.metrics.protocol_rows import cut_protocol
from dis_bench.metrics.representation import Representation


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

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.function)
        by_keyword = inspect.Parameter.KEYWORD_ONLY
        first = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("codes", "factors")]
        rest = {**dict.fromkeys(self.needs, inspect.Parameter.empty), "seed": 0, **self.parameters}
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

    def __call__(self, codes: Any, factors: Any = None, *, seed: int | None = 0, **parameters: Any) -> Any:
        """Score codes [N, D] against factors [N, F], or a representation.

        Args:
            codes: numbers [N, D], or a :class:`Representation`, which brings its own factors and seed.
            factors: whole numbers [N, F].
            seed: shuffles the rows and decides what is drawn; ``None`` keeps the given order.
            parameters: the protocol's, where it should differ from the defaults; and what the metric
                ``needs`` beside codes and factors, by name.

        Raises:
            InputError: input that cannot be scored, or an unknown parameter.
        """
        besides = {name: parameters.pop(name) for name in self.needs if name in parameters}
        parameters = self.resolve(parameters)
        if isinstance(codes, Representation):
            if factors is not None or seed != 0 or besides:
                raise InputError(
                    f"{self.name} was given more besides a Representation, which has factors and a seed."
                )
            representation = codes
        elif factors is None:
            raise InputError(f"{self.name} needs factors beside the codes: {self.name}(codes, factors).")
        else:
            representation = Representation(codes, factors, seed=seed, **besides)
        self.check_needs(representation)
        affordable = self.afford(representation, parameters)
        try:
            result = self.function(representation, **affordable)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None
        if affordable is not parameters:
            representation.small.update(self._column(key) for key in _by_key(result))
        return result

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
        if self.keys is not None and tuple(values) != (self.keys or ("",)):
            raise InputError(
                f"metric '{self.name}' returned {result!r}, but declares {self.keys or 'one number'}."
            )
        for value in values.values():
            if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
                raise InputError(f"metric '{self.name}' returned {value!r} where a finite number must stand.")
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
            InputError: an unknown parameter, or a value of another type than its default.
        """
        for name in parameters:
            if name not in self.parameters:
                raise unknown(f"parameter of {self.name}", name, self.parameters)
        given = {name: self._check(name, value) for name, value in parameters.items()}
        return {**self.parameters, **given}

    def _check(self, name: str, value: Any) -> Any:
        default = self.parameters[name]
        allowed: dict[type, tuple[type, str]] = {
            bool: (bool, "True or False"),
            int: (Integral, "a whole number"),
            float: (Real, "a number"),
            str: (str, "a word"),
        }
        if type(default) not in allowed:
            return value
        kind, words = allowed[type(default)]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InputError(f"{name} of {self.name} must be {words}, but {value!r} was given.")
        return type(default)(value)

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
) -> Callable[[Callable[..., Any]], Metric]:
    """Declare ``f(representation, *, parameter=default, ...)`` a metric, named after the function.

    Args:
        keys: the names of its numbers, where it returns a NamedTuple or a dict; ``None`` where they depend on
            the parameters.
        range: lowest and highest possible score.
        higher_is_better: the direction.
        source: paper and equation.
        version: raise it when the same input gives other numbers.
        needs: what it reads of a representation beside codes and factors: ``("log_variances",)``. Without
            it the metric is refused when asked for, and left out when no metric is named.

    Raises:
        InputError: the function cannot be called with a representation alone.
    """

    def declare(function: Callable[..., Any]) -> Metric:
        name = function.__name__
        defaults = _defaults(function, name, ("representation",))
        return Metric(function, name, defaults, keys, range, higher_is_better, source, version, needs)

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
            f"metric '{name or target}' must be a function of codes and factors, not {target!r}."
        )
    own_name = str(name or getattr(target, "__name__", type(target).__name__))
    defaults = _defaults(target, own_name, ("codes", "factors"), filled=("seed",))
    takes_seed = "seed" in inspect.signature(target).parameters

    @functools.wraps(target)
    def function(representation: Representation, **parameters: Any) -> Any:
        if takes_seed:
            parameters["seed"] = representation.seed
        return target(representation.codes.copy(), representation.factors.copy(), **parameters)

    return Metric(function, own_name, defaults, keys=None, version=version)


def _by_key(result: Any) -> dict[str, Any]:
    """What a metric returned, by key; a single number by the empty one."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    return dict(result) if isinstance(result, Mapping) else {"": result}


def _defaults(
    function: Callable[..., Any], name: str, data: tuple[str, ...], filled: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The protocol: the parameters after the first positional ones, which take the data, with their defaults.

    Args:
        function: called with the data by position, and with the rest by keyword.
        name: of the metric.
        data: what it is called with.
        filled: parameters that get a value of their own, and so are not in the protocol.

    Raises:
        InputError: it takes less than the data, or needs more.
    """
    signature = _signature(function, name)
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < len(data) and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise InputError(f"metric '{name}' must take {' and '.join(data)}, but it takes {signature}.")
    settled = {*filled, *(p.name for p in positional[: len(data)])}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    rest = [p for p in parameters if p.kind not in variadic and p.name not in settled]
    for parameter in rest:
        what = f"parameter '{parameter.name}' of metric '{name}'"
        if parameter.default is parameter.empty:
            raise InputError(f"{what} needs a default: the defaults are the metric's protocol.")
        if parameter.name in ("codes", "factors", "seed"):
            raise InputError(f"{what} must be renamed: a metric is called with codes, factors and seed.")
    return {p.name: p.default for p in rest if p.kind is not p.POSITIONAL_ONLY}


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # what is compiled need not say what it takes
        raise InputError(f"metric '{name}' does not say what it takes: wrap it in a function.") from None
