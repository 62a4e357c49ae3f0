"""The option ``--set metric.name=value``: parameters of metrics, from text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, unknown

if TYPE_CHECKING:
    from dis_bench.metrics import Metric


def read_parameters(texts: Sequence[str], metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """``["mig.bins=40", "dci.estimator=sklearn"]`` as ``{"mig": {"bins": 40}, "dci": {...}}``, checked.

    Args:
        texts: each ``METRIC.NAME=VALUE``; several values with commas in between, where the default is a list.
        metrics: those that are scored, by name.

    Raises:
        InputError: not of this form, a metric that is not scored, an unknown parameter, one that is set
            twice, or a value of another type than its default.
    """
    parameters: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        metric, dot, name = key.rpartition(".")
        if not (equals and dot and value):
            raise InputError(f"--set takes METRIC.NAME=VALUE, e.g. mig.bins=40, but '{text}' was given.")
        if metric not in metrics:
            raise unknown("metric (in --set metric.name=value)", metric, metrics)
        defaults = metrics[metric].parameters
        if name not in defaults:
            raise unknown(f"parameter of {metric}", name, defaults)
        given = parameters.setdefault(metric, {})
        if name in given:
            raise InputError(f"--set {key} was given twice; a metric is scored by one protocol at a time.")
        given[name] = _read(value, defaults[name], key)
    for metric, given in parameters.items():
        metrics[metric].resolve(given)
    return parameters


def _read(text: str, default: Any, key: str) -> Any:
    """A text as a value like the default; as it is where that fails, for the metric to say what it wants."""
    if isinstance(default, tuple | list):
        return tuple(_read(one, default[0] if default else "", key) for one in text.split(","))
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    if isinstance(default, str):
        return text
    raise InputError(f"--set cannot give {key}, whose default is {default!r}: use dis_bench.score in Python.")
