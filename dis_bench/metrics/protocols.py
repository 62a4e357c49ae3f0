"""The protocol of a metric: the parameters of its function, their values, and their rows.

``rows`` is the number of rows that are read; ``train`` and ``test`` are the numbers of training rows and of
the test rows after them; the largest of ``labels``, distinct whole numbers, is used as ``train``. Parameters
of other names are not interpreted: a metric that reads rows by them raises an error itself if there are too
few.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from dis_bench.errors import InputError, MetricParameters, Option, shown

TAKEN = ("codes", "factors", "seed", "allow_small")  # arguments of every metric
ROW_PARAMETERS = ("rows", "train", "labels", "test")
NAMED = 4  # most metrics that one error message names
STUDY_ROWS = 15_000  # of a study: 10,000 training and 5,000 test rows, as in Locatello et al. 2019


def read_defaults(
    function: Callable[..., Any], name: str, data: tuple[str, ...], filled: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read the protocol, parameters and defaults, from a function's signature.

    Args:
        function: takes the data by position and the parameters by keyword.
        name: name of the metric.
        data: names of the positional arguments that take the data, and are not part of the protocol.
        filled: parameters that are set elsewhere, and are not part of the protocol.

    Raises:
        InputError: the function does not take all the data, or requires more than the data.
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
    """Check a user's value for a parameter, and convert it to the default's type.

    Args:
        what: name of the parameter for the error message: ``bins of mig``.
        value: the user's value.
        default: a bool, int, float or str, or a tuple of one of these; with any other default, all values are
            allowed.

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
    """Parse text as a value of the type of a parameter's default.

    Args:
        what: name of the parameter for the error message: ``mig.bins``.
        text: the text as typed; commas separate the values of a list.
        default: the parameter's default.

    Returns:
        The value, or the text itself if it cannot be parsed, for :func:`check_value` to refuse.

    Raises:
        InputError: the parameter is of a type that cannot be given as text.
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
    """Return whether a number is finite as a float; a large int is not."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def row_blocks(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the end of each block of rows that a protocol reads.

    Returns:
        ``(rows,)``, ``(train, train + test)``, or ``()`` if the parameters do not say.
    """
    train = parameters.get("train", _most(parameters.get("labels")))
    test, rows = parameters.get("test"), parameters.get("rows")
    if isinstance(train, Integral) and isinstance(test, Integral):
        return int(train), int(train) + int(test)
    return (int(rows),) if isinstance(rows, Integral) else ()


def check_rows(
    protocols: Mapping[str, Mapping[str, Any]],
    rows: int,
    allow_small: bool = False,
    whose: str = "",
) -> None:
    """Raise InputError if protocols need more rows than there are.

    Args:
        protocols: parameters by metric.
        rows: number of available rows.
        allow_small: reduce the protocols to the available rows; raise only if even that needs more.
        whose: source of the rows, if the user cannot provide more: ``dataset 'mine'``.

    Raises:
        InputError: there are too few rows; the message says what can be done about it.
    """
    cuts = {name: cut_protocol(dict(parameters), rows) for name, parameters in protocols.items()}
    wanting = [
        name
        for name, parameters in protocols.items()
        if (ends := row_blocks(cuts[name] if allow_small else parameters)) and ends[-1] > rows
    ]
    if not wanting:
        return
    if allow_small:
        needs = ", ".join(
            f"{name}: at least {_count_rows(cuts[name])} are needed" for name in wanting[:NAMED]
        )
        raise InputError(f"{needs}, but {f'{whose} has' if whose else 'there are'} {rows}.")
    more = "" if whose else "give more rows, "
    raise InputError(
        f"{_describe_wants(protocols, wanting, rows, whose)}: {more}ask for fewer (",
        MetricParameters({name: _changed(protocols[name], cuts[name]) for name in wanting[:NAMED]}),
        " and so on" if len(wanting) > NAMED else "",
        "), or score what there is, marked as such (",
        Option("allow_small"),
        ").",
    )


def _describe_wants(
    protocols: Mapping[str, Mapping[str, Any]], wanting: Sequence[str], rows: int, whose: str
) -> str:
    if len(wanting) == 1:
        wants = f"{wanting[0]}: the protocol needs {_count_rows(protocols[wanting[0]])}"
        return f"{wants}, but {f'{whose} has' if whose else 'there are'} {rows}"
    wants = "; ".join(f"{name}: {_count_rows(protocols[name])}" for name in wanting[:NAMED])
    more = f"; and {len(wanting) - NAMED} more" if len(wanting) > NAMED else ""
    return f"{whose or 'the table'} has {rows} rows, fewer than the protocols need ({wants}{more})"


def _changed(parameters: Mapping[str, Any], cut: Mapping[str, Any]) -> dict[str, Any]:
    return {key: cut[key] for key in ROW_PARAMETERS if cut.get(key) != parameters.get(key)}


def cut_protocol(parameters: dict[str, Any], rows: int) -> dict[str, Any]:
    """Reduce a protocol to the available rows, if it needs more.

    Training and test rows keep their proportion, except that entries of ``labels`` up to two thirds of the
    rows, the training rows of a study, are kept at the cost of test rows. Others are dropped.

    Returns:
        The same dict if there are enough rows, else a new one.
    """
    ends = row_blocks(parameters)
    if not ends or ends[-1] <= rows:
        return parameters
    if len(ends) == 1:
        return {**parameters, "rows": rows}
    train = max(2, rows * ends[0] // ends[1])
    if "train" in parameters:
        return {**parameters, "train": train, "test": max(1, rows - train)}
    most = max(train, rows * 2 // 3)
    labels = tuple(n for n in parameters["labels"] if n <= most) or (most,)
    return {**parameters, "labels": labels, "test": max(1, rows - max(train, *labels))}


def _count_rows(parameters: Mapping[str, Any]) -> str:
    """Describe in words the rows that a protocol needs."""
    ends = row_blocks(parameters)
    if len(ends) == 1:
        return f"{ends[0]} rows"
    learned = "training" if "train" in parameters else "labelled"
    return f"{ends[0]} {learned} and {ends[1] - ends[0]} test rows"


def _most(labels: Any) -> int | None:
    """Return the largest of distinct whole numbers from 1 up; None for all else."""
    if not isinstance(labels, Sequence) or not all(isinstance(n, Integral) and int(n) >= 1 for n in labels):
        return None
    return max(labels, default=None) if len(set(labels)) == len(labels) else None


def _check_several(what: str, values: Any, defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check the values of a list, tuple or array, of any length."""
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
    except (TypeError, ValueError):  # a compiled function need not have a signature
        raise InputError(f"metric '{name}' has no signature: wrap it in a Python function.") from None
