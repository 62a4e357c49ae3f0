"""Declarations: the label, the caveat and the direction of a metric, as reports show them.

:func:`describe` turns a declaration into plain data, which a record keeps. A report then no longer needs the
metric itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from dis_bench.errors import InputError, blaming, check_line, clean, shown

Text = str | Mapping[str, str]
Caveat = str | Callable[[str, Mapping[str, Any]], str]

LONGEST_LABEL = 60  # characters, as it is shown in column headings and legends


class Declaring(Protocol):
    """A :class:`~dis_bench.metrics.metric.Metric`, which documents these attributes."""

    name: str
    parameters: Mapping[str, Any]
    keys: tuple[str, ...] | None
    range: tuple[float, float]
    higher_is_better: bool
    label: Text
    short: Text
    caveat: Caveat
    leads: bool
    perfect: Mapping[str, float]
    is_plain: bool
    widest: int | None

    @property
    def summary(self) -> str: ...


def check_declaration(metric: Declaring) -> None:
    """Refuse a declaration that a report could not show.

    Raises:
        InputError: the first thing that is wrong.
    """
    _check_range(metric.name, metric.range)
    for what in ("label", "short"):
        _check_label(f"the {what} of metric '{metric.name}'", getattr(metric, what), metric.keys)
    if not callable(metric.caveat):
        check_line(f"the caveat of metric '{metric.name}'", metric.caveat)
    if not isinstance(metric.leads, bool):
        raise InputError(
            f"leads of metric '{metric.name}' must be True or False, but {shown(metric.leads)} was given."
        )
    if metric.widest is not None and (type(metric.widest) is not int or metric.widest < 1):
        raise InputError(
            f"widest of metric '{metric.name}' must be a whole number from 1 up or None, but "
            f"{shown(metric.widest)} was given."
        )
    _check_perfect(metric)


def describe(
    metric: Declaring, columns: Iterable[str], dataset: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a metric's declaration for its scores as plain data.

    Args:
        metric: the metric.
        columns: that it filled.
        dataset: name of the dataset whose images were scored.
        parameters: parameters of the protocol that was used.

    Returns:
        The keys of :class:`dis_bench.records.schema.DeclaredMetric`, as JSON would read them back.

    Raises:
        InputError: the function that gives its caveat fails, or gives something else.
    """
    columns = list(columns)
    known = metric.perfect.get(dataset) if _is_default(metric, parameters) else None
    short = {column: _name_column(metric.short, metric.name, column) for column in columns}
    optional = {
        "short": {column: text for column, text in short.items() if text},
        "leads": metric.leads,
        "caveat": _find_caveat(metric, dataset, parameters),
        "perfect": {} if known is None else {column: float(known) for column in columns},
    }
    return {
        "label": {
            column: _name_column(metric.label, metric.name, column) or column.replace("_", " ")
            for column in columns
        },
        "better": "" if metric.is_plain else "higher" if metric.higher_is_better else "lower",
        "range": None if metric.is_plain else [_bound(end) for end in metric.range],
        "summary": clean(" ".join(metric.summary.split())),
        **{name: value for name, value in optional.items() if value},
    }


def _name_column(text: Text, metric: str, column: str) -> str:
    """Return the text for a column: by key, or the metric's and the key in words."""
    key = column.removeprefix(metric).removeprefix("_")
    if not isinstance(text, str):
        return text.get(key, "")
    return f"{text} {key.replace('_', ' ')}".rstrip() if text else ""


def _find_caveat(metric: Declaring, dataset: str, parameters: Mapping[str, Any]) -> str:
    if isinstance(metric.caveat, str):
        return metric.caveat
    what = f"the caveat of metric '{metric.name}'"
    with blaming(f"{what} fails for dataset '{dataset}'"):
        text = metric.caveat(dataset, {name: parameters.get(name) for name in metric.parameters})
    check_line(what, text)
    return text


def _is_default(metric: Declaring, parameters: Mapping[str, Any]) -> bool:
    """Return whether a protocol is the default one; lists equal tuples."""
    return all(
        parameters.get(name) in (default, list(default) if isinstance(default, tuple) else default)
        for name, default in metric.parameters.items()
    )


def _bound(end: float) -> float | None:
    return float(end) if math.isfinite(end) else None


def _check_range(name: str, given: Any) -> None:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:  # not where either is NaN
        raise InputError(
            f"the range of metric '{name}' must be its lowest and its highest score, but {shown(given)} was "
            "given."
        )


def _check_label(what: str, given: Any, keys: tuple[str, ...] | None) -> None:
    if isinstance(given, str):
        check_line(what, given, LONGEST_LABEL)
        return
    if not isinstance(given, Mapping):
        raise InputError(f"{what} must be a text, or a text by key, but {shown(given)} was given.")
    for key, text in given.items():
        if keys is not None and key not in keys:
            there = ", ".join(keys) if keys else "none, as it gives one number"
            raise InputError(f"{what} has the key {shown(key)}, but the metric's keys are: {there}.")
        check_line(what, text, LONGEST_LABEL)


def _check_perfect(metric: Declaring) -> None:
    low, high = metric.range
    what = f"perfect of metric '{metric.name}'"
    if not isinstance(metric.perfect, Mapping):
        raise InputError(f"{what} must be a score by dataset, but {shown(metric.perfect)} was given.")
    if metric.perfect and metric.keys != ():
        raise InputError(f"{what} can be given only for a metric that gives one number.")
    for dataset, score in metric.perfect.items():
        is_number = isinstance(score, (int, float)) and not isinstance(score, bool)
        if not isinstance(dataset, str) or not is_number or not low <= score <= high:
            raise InputError(
                f"{what} must be a score within its range by the name of a dataset, but "
                f"{shown({dataset: score})} was given."
            )
