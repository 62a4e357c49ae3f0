"""Settings by ``name.key``, of models, metrics and datasets."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from dis_bench.errors import InputError, shown, unknown
from dis_bench.metrics.metric import Metric
from dis_bench.metrics.protocols import read_value
from dis_bench.parameters import Parameter, Value

Given = Mapping[str, Any]

_COMMA = re.compile(r",(?![^()]*\))")  # one that no closing bracket follows before an opening one


class Settings(NamedTuple):
    """Parsed settings of models, metrics and datasets.

    Attributes:
        hyperparameters: the values to try, by model and name.
        parameters: the parameters of protocols, by metric and name.
        datasets: values of parameters, by dataset and name.
    """

    hyperparameters: dict[str, dict[str, Sequence[Any]]]
    parameters: dict[str, dict[str, Any]]
    datasets: dict[str, dict[str, Value]]


def parse_settings(texts: Sequence[str], example: str) -> dict[str, str | list[str]]:
    """Split the arguments of ``--set`` into keys and texts; repeated keys get lists.

    Args:
        texts: arguments of the form ``NAME.KEY=VALUE``.
        example: an example for the error message: ``mig.bins=40``.

    Raises:
        InputError: an argument does not have this form.
    """
    settings: dict[str, str | list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, of = key.rpartition(".")
        if not (equals and dot and name and of and value):
            raise InputError(f"--set takes NAME.KEY=VALUE, e.g. {example}, but '{text}' was given.")
        before = settings.get(key)
        settings[key] = value if before is None else [*_split(before), *_split(value)]
    return settings


def resolve_settings(
    settings: Given,
    models: Mapping[str, Collection[str]],
    metrics: Mapping[str, Metric],
    datasets: Mapping[str, Mapping[str, Parameter]] = MappingProxyType({}),
) -> Settings:
    """Assign settings to models, metrics and datasets, and check all but the first.

    Args:
        settings: a value, or a list of values, by ``name.key``. A text is read as after ``--set``: commas
            separate the values of a hyperparameter, or of a parameter that is a list.
        models: the names of the hyperparameters, by model.
        metrics: the metrics to score, by name.
        datasets: the parameters that datasets declare, by dataset and name.

    Raises:
        InputError: a key does not have this form, its name is none of a model, metric or dataset of the study
            or is several of them, the hyperparameter or parameter is unknown, its value is missing, or a
            parameter's value has another type than its default.
    """
    found = Settings({}, {}, {})
    kinds: dict[str, Mapping[str, Any]] = {"model": models, "metric": metrics, "dataset": datasets}
    for key, given in settings.items():
        name, of = _split_key(key, given)
        kind = _find_kind(key, name, kinds)
        if kind == "model":
            _check_declared(f"hyperparameter of {name}", of, models[name])
            found.hyperparameters.setdefault(name, {})[of] = _list_values(key, given)
        elif kind == "metric":
            defaults = metrics[name].parameters
            _check_declared(f"parameter of {name}", of, defaults)
            found.parameters.setdefault(name, {})[of] = _read_parameter(key, given, defaults[of])
        else:
            _check_declared(f"parameter of dataset {name}", of, datasets[name])
            found.datasets.setdefault(name, {})[of] = _read_single(key, given, datasets[name][of])
    for name, parameters in found.parameters.items():
        found.parameters[name] = {of: metrics[name].resolve(parameters)[of] for of in parameters}
    return found


def _split_key(key: Any, given: Any) -> tuple[str, str]:
    """Split ``betavae.beta`` into the names of a plug-in and of a parameter."""
    name, _, of = str(key).rpartition(".")
    if isinstance(given, Mapping):  # betavae.beta without quotes is a table in TOML
        raise InputError(f'settings: write the key in quotes, "{key}.{next(iter(given), "name")}" = [...].')
    if not (name and of):
        raise InputError(
            "a key of settings must be NAME.KEY, as of a model and its hyperparameter, but "
            f"'{key}' was given."
        )
    return name, of


def _find_kind(key: str, name: str, kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return which kind of plug-in of the study has a name."""
    meant = [kind for kind, chosen in kinds.items() if name in chosen]
    if len(meant) > 1:
        which = " or ".join(f"{kind} '{name}'" for kind in meant)
        raise InputError(f"setting '{key}' may mean {which}: rename one of the two.")
    if meant:
        return meant[0]
    settable = [name for name, declared in kinds["dataset"].items() if declared]
    chosen = [*kinds["model"], *kinds["metric"], *settable]
    what = "model, metric or dataset" if settable else "model or metric" if kinds["model"] else "metric"
    raise unknown(what, name, chosen)


def _check_declared(what: str, name: str, declared: Collection[str]) -> None:
    if name not in declared:
        raise unknown(what, name, declared)


def _list_values(key: str, given: Any) -> Sequence[Any]:
    """Return the values of a hyperparameter, at least one."""
    if isinstance(given, str):
        given = _split(given)
    values = [given] if isinstance(given, (int, float)) else given
    if not isinstance(values, Sequence) or isinstance(values, bytes) or not values:
        raise InputError(
            f"settings: {key} must be a value or a list of values, but {shown(given)} was given."
        )
    return values


def _read_single(key: str, given: Any, parameter: Parameter) -> Value:
    """Return the value of a dataset's parameter."""
    return parameter.parse(_take_one(key, given, "a dataset is the same in all cells of a study"))


def _read_parameter(key: str, given: Any, default: Any) -> Any:
    """Return the value of a metric's parameter; parse texts as the default's type."""
    if isinstance(default, tuple | list):
        if isinstance(given, str):
            return read_value(key, given, default)
        if isinstance(given, Sequence):
            example = default[0] if default else ""
            return tuple(read_value(key, one, example) if isinstance(one, str) else one for one in given)
        return given
    given = _take_one(key, given, "a metric has one protocol per study")
    return read_value(key, given, default) if isinstance(given, str) else given


def _take_one(key: str, given: Any, why: str) -> Any:
    """Return a value, or the only one of a list; others raise InputError."""
    if not isinstance(given, list | tuple):
        return given
    if len(given) != 1:
        raise InputError(
            f"{key} takes one value, since {why}, but "
            f"{', '.join(map(shown, given[:4])) or 'none'} {'were' if given else 'was'} given."
        )
    return given[0]


def _split(given: str | list[str]) -> list[str]:
    """Split a text at its commas, except those inside of ``linear(0,4,0.1)``."""
    return _COMMA.split(given) if isinstance(given, str) else given
