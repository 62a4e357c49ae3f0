"""Scoring a representation: finding metrics, resolving parameters, collecting scores."""

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
    """The scores of a representation, with their protocol.

    Attributes:
        values: each score by the name of its column.
        protocol: version and parameters of each metric by its name.
    """

    values: dict[str, float]
    protocol: dict[str, dict[str, Any]]


@neutral()
def score(
    codes: ArrayLike,
    factors: ArrayLike | None,
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
        factors: whole numbers [N, F], the class of each ground-truth factor; None if they are unknown.
        metrics: names, ``module:function``, ``file.py:function`` or functions; by default all built-in ones
            whose inputs were given.
        log_variances: numbers [N, D]: if the codes are posterior means, the logarithms of the posteriors'
            variances, for metrics that need them.
        seed: seed of the shuffle of the rows, and of all draws; ``None`` keeps the given order.
        parameters: parameters that differ from the defaults, by metric: ``{"mig": {"bins": 10}}``.
        allow_small: score even if a protocol needs more rows than there are.

    Returns:
        The scores by name, in the order of ``metrics``. ``attrs["small"]`` lists those that were computed
        from fewer rows than their protocol needs.

    Raises:
        InputError: input that cannot be scored, or an unknown metric or parameter.
        MetricFailed: a metric raised an unexpected exception, available as ``__cause__``.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(1_000, 3))
        >>> noise = np.random.default_rng(1).standard_normal((1_000, 3))
        >>> for codes in (factors, factors[:, ::-1], noise):
        ...     print(score(codes, factors, ["mig", "mig_sup"], allow_small=True).round(1).to_dict())
        {'mig': 1.0, 'mig_sup': 1.0}
        {'mig': 1.0, 'mig_sup': 1.0}
        {'mig': 0.0, 'mig_sup': 0.0}
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
    """Score a representation, and return the scores with their protocol.

    Names, parameters and needed inputs are checked before the first metric is computed.

    Args:
        representation: codes and factors.
        metrics: as in :func:`score`.
        parameters: as in :func:`score`.

    Raises:
        InputError: no metric, an unknown metric or parameter, or input that cannot be scored.
        MetricFailed: a metric raised an unexpected exception, available as ``__cause__``.

    Example:
        >>> table = Representation([[0.0], [0.1], [0.9], [1.0]], [[0], [0], [1], [1]], allow_small=True)
        >>> score_representation(table, ["mig"])
        Scores(values={'mig': 1.0}, protocol={'mig': {'version': 1, 'rows': 4, 'bins': 20}})
    """
    found = find_metrics(metrics, representation.list_given(), representation.has_factors)
    if not found:
        raise InputError("no metric was named, so there is nothing to score.")
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
    """Return the version and parameters of each metric that scoring would use.

    Args:
        metrics: as in :func:`score`.
        parameters: as in :func:`score`.
        rows: number of available rows, to which protocols are reduced, as with ``allow_small``; None keeps
            them.

    Example:
        >>> protocol(["mig"], {"mig": {"bins": 10}})
        {'mig': {'version': 1, 'rows': 10000, 'bins': 10}}
    """
    found = find_metrics(metrics)
    used = resolve_parameters(found, parameters)
    if rows is not None:
        used = {name: cut_protocol(one, rows) for name, one in used.items()}
    return _with_versions(found, used)


def find_metrics(
    metrics: Wanted = None, given: Collection[str] = (), has_factors: bool = True
) -> dict[str, Metric]:
    """Find metrics by name, or make metrics of functions.

    Args:
        metrics: as in :func:`score`; by default all built-in ones that need only codes, factors and what is
            ``given``.
        given: further inputs that are available, such as ``["log_variances"]``.
        has_factors: whether factors are available.

    Returns:
        The metrics by name.

    Raises:
        InputError: an unknown name, something that is not a metric, two metrics of one name, or two that fill
            the same column.
    """
    if metrics is None:
        installed = registry.plugins("metrics").values()
        built_in = [plugin.name for plugin in installed if plugin.is_ours]
        metrics = [metric for metric in map(_find, built_in) if metric.is_given_all(given, has_factors)]
    elif isinstance(metrics, str | Metric) or callable(metrics):
        metrics = [metrics]
    elif not isinstance(metrics, Iterable):
        raise InputError(f"metrics must be names or functions, but {shown(metrics)} was given.")
    found: dict[str, Metric] = {}
    for metric in map(_find, metrics):
        same_name = found.setdefault(metric.name, metric)
        if inspect.unwrap(same_name) is not inspect.unwrap(metric):
            raise InputError(
                f"two metrics are called '{metric.name}': rename one, since they would fill the same column."
            )
    _check_columns(found)
    return found


def resolve_parameters(found: Mapping[str, Metric], parameters: Parameters) -> dict[str, dict[str, Any]]:
    """Return all parameters of each metric: given values, and defaults for the rest.

    Raises:
        InputError: ``parameters`` is not a mapping of mappings, an unknown name, or a value of another type.
    """
    parameters = {} if parameters is None else parameters
    for given in (parameters, *(parameters.values() if isinstance(parameters, Mapping) else ())):
        if not isinstance(given, Mapping):
            raise InputError(
                "parameters must map metrics to values by name, such as {'mig': {'bins': 10}}, but "
                f"{shown(given)} was given."
            )
    for name in parameters:
        if name not in found:
            raise unknown("metric in parameters", name, found)
    return {name: metric.resolve(parameters.get(name, {})) for name, metric in found.items()}


def add_columns(values: dict[str, float], name: str, scores: dict[str, float]) -> dict[str, float]:
    """Add a metric's scores to the values.

    Raises:
        InputError: another metric has already filled one of its columns; undeclared columns are known only
            now.
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
    # Columns begin with the registered name, whatever the function is called. The version of built-in metrics
    # is raised when their numbers change; that of others is the version of their code.
    version = metric.version if plugin.is_ours else plugin.version
    return dataclasses.replace(metric, name=plugin.name, version=version)


def _check_columns(found: Mapping[str, Metric]) -> None:
    """Raise InputError if two metrics declare the same column."""
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
    # Tuples become lists, as in a record that is read back.
    as_lists = {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in parameters.items()}
        for name, parameters in used.items()
    }
    return {name: {"version": metric.version, **as_lists[name]} for name, metric in found.items()}
