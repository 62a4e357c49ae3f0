"""The parameters of a protocol: read off the function of a metric, and checked where a user sets them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from dis_bench.errors import InputError, shown

TAKEN = ("codes", "factors", "seed", "allow_small")  # what every metric is called with


def read_defaults(
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
        if parameter.name in TAKEN:
            raise InputError(f"{what} must be renamed: a metric is called with {', '.join(TAKEN)}.")
    return {p.name: p.default for p in rest if p.kind is not p.POSITIONAL_ONLY}


def check_value(what: str, value: Any, default: Any) -> Any:
    """A value for a parameter, as the type of its default.

    Args:
        what: names the parameter in the error: ``bins of mig``.
        value: given by a user.
        default: True or False, a whole number, a number, a word, or several of one of these in a tuple; any
            other default takes any value.

    Raises:
        InputError: the value is of another kind, or a number that is not finite.
    """
    allowed: dict[type, tuple[type, str]] = {
        bool: (bool, "True or False"),
        int: (Integral, "a whole number"),
        float: (Real, "a finite number"),
        str: (str, "a word"),
    }
    if isinstance(default, tuple) and default:
        return _check_several(what, value, default)
    if type(default) not in allowed:
        return value
    kind, words = allowed[type(default)]
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if wrong or (kind is Real and not is_finite(value)):
        raise InputError(f"{what} must be {words}, but {shown(value)} was given.")
    return type(default)(value)


def read_value(what: str, text: str, default: Any) -> Any:
    """Read a text as a value of the type of a parameter's default; commas separate several for a list.

    Args:
        what: names the parameter in the error: ``mig.bins``.
        text: as typed.
        default: of the parameter.

    Returns:
        The text itself where it cannot be read, for :func:`check_value` to refuse.

    Raises:
        InputError: no text can give such a value.
    """
    if isinstance(default, tuple | list):
        return tuple(read_value(what, one, default[0] if default else "") for one in text.split(","))
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    if isinstance(default, str):
        return text
    raise InputError(f"{what} cannot be given as text, as its default is {shown(default)}: set it in Python.")


def is_finite(value: Any) -> bool:
    """Whether a number is finite as a float; a whole number may be too large to be one."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _check_several(what: str, values: Any, defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values for a parameter whose default is several: a list, a tuple or an array of any length."""
    try:
        given = None if isinstance(values, str) else tuple(values)
    except TypeError:
        given = None
    if given is None:
        raise InputError(f"{what} must be a list such as {list(defaults)}, but {shown(values)} was given.")
    return tuple(check_value(f"each of {what}", value, defaults[0]) for value in given)


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # what is compiled need not say what it takes
        raise InputError(f"metric '{name}' does not say what it takes: wrap it in a function.") from None
