"""Scoring a representation: which metrics are meant, by which parameters, and what each of them says."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import ArrayLike

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.errors import PYTHON, InputError, shown, unknown, worded_for
from dis_bench.metrics.metric import Metric, as_metric
from dis_bench.metrics.protocols import check_rows, cut_protocol
from dis_bench.metrics.representation import Representation
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    import pandas as pd

Wanted = Iterable[str | Metric | Callable[..., Any]] | None
Parameters = Mapping[str, Mapping[str, Any]] | None


class Scores(NamedTuple):
    """What a representation scored, and by which protocol.

    Attributes:
        values: each score by its column's name.
        protocol: version and parameters of each metric by its name.
    """

    values: dict[str, float]
    protocol: dict[str, dict[str, Any]]


@neutral()
def score(
    codes: ArrayLike,
    factors: ArrayLike,
    metrics: Wanted = None,
    *,
    log_variances: ArrayLike | None = None,
    seed: int | None = 0,
    parameters: Parameters = None,
    allow_small: bool = False,
) -> pd.Series:
    """Score a representation.

    Args:
        codes: numbers [N, D], an array or a torch tensor.
        factors: whole numbers [N, F], the class of each ground-truth factor.
        metrics: names, ``module:function``, ``file.py:function`` or functions; by default the built-in ones,
            as far as what they need was given.
        log_variances: numbers [N, D], where codes are posterior means: of the posteriors, for metrics that
            need them.
        seed: shuffles the rows, and decides what metrics draw; ``None`` keeps the given order.
        parameters: by metric, where its protocol should differ: ``{"mig": {"bins": 10}}``.
        allow_small: score even where a protocol wants more rows than there are.

    Returns:
        The scores by name, in the order asked for. ``attrs["small"]`` lists those that were computed from
        fewer rows than their protocol wants.

    Raises:
        InputError: input that cannot be scored, an unknown metric or parameter.
        MetricFailed: a metric raised something else, which is the cause.
    """
    import pandas as pd

    with worded_for(PYTHON):
        representation = Representation(
            codes, factors, log_variances=log_variances, seed=seed, allow_small=allow_small
        )
        values = score_representation(representation, metrics, parameters).values
    scores = pd.Series(values, name="score", dtype=float)
    scores.attrs["small"] = [name for name in values if name in representation.small]
    return scores


@neutral()
def score_representation(
    representation: Representation, metrics: Wanted = None, parameters: Parameters = None
) -> Scores:
    """Score a representation; what :func:`score` does, with the protocol.

    Names, parameters and what they need are checked before the first metric is computed.
    """
    found = find_metrics(metrics, representation.list_given())
    if not found:
        raise InputError("no metric was named, so that there is nothing to score.")
    used = resolve_parameters(found, parameters)
    for metric in found.values():
        metric.check_needs(representation)
    check_rows(used, len(representation), representation.allow_small)
    values: dict[str, float] = {}
    for name, metric in bar(found.items(), "score", unit="metric"):
        values = add_columns(values, name, metric.scores(representation, **used[name]))
    scored = {name: metric.afford(representation, used[name]) for name, metric in found.items()}
    return Scores(values, _with_versions(found, scored))


def protocol(
    metrics: Wanted = None, parameters: Parameters = None, rows: int | None = None
) -> dict[str, dict[str, Any]]:
    """Return version and parameters of each metric as scoring would use them; compute nothing.

    Args:
        metrics: as in :func:`score`.
        parameters: likewise.
        rows: protocols are cut to so many where small tables are allowed; None leaves them as they are.
    """
    found = find_metrics(metrics)
    used = resolve_parameters(found, parameters)
    if rows is not None:
        used = {name: cut_protocol(one, rows) for name, one in used.items()}
    return _with_versions(found, used)


def find_metrics(metrics: Wanted = None, given: Collection[str] = ()) -> dict[str, Metric]:
    """The metrics that are meant, by name.

    Args:
        metrics: as in :func:`score`. By default the built-in ones that need codes and factors only, or
            besides what is ``given``.
        given: such as ``["log_variances"]``.

    Raises:
        InputError: an unknown name, something that is no metric, two metrics of one name, or two that fill
            one column.
    """
    if metrics is None:
        installed = registry.plugins("metrics").values()
        built_in = [plugin.name for plugin in installed if plugin.is_ours]
        metrics = [metric for metric in map(_find, built_in) if set(metric.needs) <= set(given)]
    elif isinstance(metrics, str | Metric) or callable(metrics):
        metrics = [metrics]
    elif not isinstance(metrics, Iterable):
        raise InputError(f"metrics must be names or functions, but {shown(metrics)} was given.")
    found: dict[str, Metric] = {}
    for metric in map(_find, metrics):
        same_name = found.setdefault(metric.name, metric)
        if inspect.unwrap(same_name) is not inspect.unwrap(metric):
            raise InputError(
                f"two metrics are called '{metric.name}': rename one, as their columns would be one."
            )
    _check_columns(found)
    return found


def resolve_parameters(found: Mapping[str, Metric], parameters: Parameters) -> dict[str, dict[str, Any]]:
    """All parameters of each metric: the given values, checked, over the defaults.

    Raises:
        InputError: ``parameters`` are not by metric and by name, an unknown name, or a value of another type.
    """
    parameters = {} if parameters is None else parameters
    for given in (parameters, *(parameters.values() if isinstance(parameters, Mapping) else ())):
        if not isinstance(given, Mapping):
            raise InputError(
                "parameters must be values by name by metric, such as {'mig': {'bins': 10}}, but "
                f"{shown(given)} was given."
            )
    for name in parameters:
        if name not in found:
            raise unknown("metric in parameters", name, found)
    return {name: metric.resolve(parameters.get(name, {})) for name, metric in found.items()}


def add_columns(values: dict[str, float], name: str, scores: dict[str, float]) -> dict[str, float]:
    """The values with a metric's scores besides.

    Raises:
        InputError: another metric has filled one of its columns, which could not be foreseen.
    """
    for column in scores:
        if column in values:
            raise InputError(f"metric '{name}' fills the column '{column}' of another metric: rename it.")
    return values | scores


def _find(wanted: str | Metric | Callable[..., Any]) -> Metric:
    if not isinstance(wanted, str):
        return as_metric(wanted)
    plugin = registry.find("metrics", wanted)
    metric = as_metric(plugin.load(), plugin.name, plugin.version)
    # Columns begin with the name that was registered, whatever the function is called. The version of our own
    # metrics is raised when their numbers change; that of others is the version of their code.
    version = metric.version if plugin.is_ours else plugin.version
    return dataclasses.replace(metric, name=plugin.name, version=version)


def _check_columns(found: Mapping[str, Metric]) -> None:
    """Refuse metrics of which one would overwrite what another says, as far as they declare it."""
    owners: dict[str, str] = {}
    for metric in found.values():
        for column in metric.outputs or (metric.name,):
            owner = owners.setdefault(column, metric.name)
            if owner != metric.name:
                raise InputError(
                    f"metrics '{owner}' and '{metric.name}' both fill the column '{column}': rename one."
                )


def _with_versions(
    found: Mapping[str, Metric], used: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    # Lists, as which a record reads back what was a tuple.
    as_lists = {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in parameters.items()}
        for name, parameters in used.items()
    }
    return {name: {"version": metric.version, **as_lists[name]} for name, metric in found.items()}
